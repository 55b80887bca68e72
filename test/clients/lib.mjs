// What the tests share: where the server is, and a plain fetch of GraphQL.
import { randomUUID } from 'node:crypto';
import assert from 'node:assert/strict';

export const url = process.env.DOSSIER_URL;
export const token = process.env.DOSSIER_TOKEN;
export const viewerToken = process.env.DOSSIER_VIEWER_TOKEN;
assert.ok(url && token && viewerToken, 'run these tests with go test ./test/clients');

export const endpoint = url + '/graphql';
export const socket = endpoint.replace(/^http/, 'ws');
export const authorization = 'Bearer ' + token;
export const headers = { authorization, 'graphql-require-preflight': '1' };

/** graphql runs an operation and gives its data; top-level errors and userErrors fail the test. where is another server. */
export async function graphql(query, variables = {}, where = { url, token }) {
  const response = await fetch(where.url + '/graphql', {
    method: 'POST',
    headers: { ...headers, authorization: `Bearer ${where.token}`, 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query, variables }),
  });
  const result = await response.json();
  assert.equal(result.errors, undefined, JSON.stringify(result.errors));
  for (const payload of Object.values(result.data)) {
    if (payload?.userErrors) assert.deepEqual(payload.userErrors, []);
  }
  return result.data;
}

/** customer makes a customer of its own for a test and gives its id. Equal ones would be taken for duplicates. */
export async function customer(name) {
  const data = await graphql(
    `mutation ($input: CustomerCreateInput!) { customerCreate(input: $input) { customer { id } userErrors { code message path } } }`,
    { input: { givenName: name, emails: [{ address: `${randomUUID()}@example.com` }] } },
  );
  return data.customerCreate.customer.id;
}

/** logTask puts one event into the account's log. */
export async function logTask(customerId, title) {
  const data = await graphql(
    `mutation ($customerId: ID!, $input: TimelineEntryInput!) {
      timelineEntryCreate(customerId: $customerId, input: $input) { timelineEntry { id } userErrors { code message path } }
    }`,
    { customerId, input: { kind: 'TASK', at: new Date().toISOString(), title } },
  );
  return data.timelineEntryCreate.timelineEntry.id;
}

/** within fails when the promise takes longer than it may. */
export function within(promise, what, ms = 15_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** queue turns callbacks into awaited values. */
export function queue() {
  const values = [];
  const waiting = [];
  return {
    push(value) {
      const next = waiting.shift();
      if (next) next(value);
      else values.push(value);
    },
    next(what) {
      if (values.length) return Promise.resolve(values.shift());
      return within(new Promise(resolve => waiting.push(resolve)), what);
    },
  };
}

/** png is a small real picture. */
export const png = Uint8Array.from(
  atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='),
  c => c.charCodeAt(0),
);
