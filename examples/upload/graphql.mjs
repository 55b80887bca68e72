// The two things about GraphQL that an upload needs: to send an operation, and to turn what stands in the way into an error.

/** graphql sends an operation and gives its data. */
export async function graphql({ api, token }, query, variables, signal) {
  const response = await fetch(api, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query, variables }),
  });
  return dataOf(await response.json());
}

/** dataOf gives the data of an answer, or throws its first error. */
export function dataOf(answer) {
  if (answer.errors?.length) throw new Error(answer.errors[0].message);
  return answer.data;
}

/** refuse throws the userErrors of a payload, if there are any. */
export function refuse(payload) {
  if (payload.userErrors.length) throw new Refused(payload.userErrors.map(e => e.message).join(' '));
  return payload;
}

/** Refused is an error that trying again does not heal. */
export class Refused extends Error {}
