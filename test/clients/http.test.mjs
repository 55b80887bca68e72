// GraphQL over HTTP: every audit of the graphql-http package.
import assert from 'node:assert/strict';
import test from 'node:test';
import { serverAudits } from 'graphql-http';
import { endpoint, graphql, headers, url } from './lib.mjs';

// Dossier asks browsers for a header that makes them send a preflight; the audits are told to send it.
const audits = serverAudits({
  url: endpoint,
  fetchFn: (to, init = {}) => fetch(to, { ...init, headers: { ...headers, ...init.headers } }),
});

test('there are 61 audits', () => assert.equal(audits.length, 61));

for (const audit of audits) {
  test(`${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    assert.equal(result.status, 'ok', `${result.status}: ${result.reason}`);
  });
}

test('the SDL has an ETag and answers 304 to it', async () => {
  const first = await fetch(url + '/schema.graphql');
  assert.equal(first.status, 200);
  assert.match(await first.text(), /type Customer implements Node/);
  const again = await fetch(url + '/schema.graphql', { headers: { 'if-none-match': first.headers.get('etag') } });
  assert.equal(again.status, 304);
});

test('a request that a form of another site could send is refused', async () => {
  const form = new FormData();
  form.set('operations', JSON.stringify({ query: '{ __typename }' }));
  form.set('map', '{}');
  const multipart = await fetch(endpoint, { method: 'POST', body: form, headers: { authorization: headers.authorization } });
  assert.equal(multipart.status, 400);
  const get = await fetch(endpoint + '?query={__typename}');
  assert.equal(get.status, 400);
});

test('errors carry a code and a request id, and a foreign id is as good as none', async () => {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ customers { nodes { id } } }' }),
  });
  const { errors } = await response.json();
  assert.equal(errors[0].extensions.code, 'UNAUTHENTICATED');
  assert.ok(errors[0].extensions.requestId);
  const data = await graphql('{ node(id: "cus_01h455vb4pex5vsknk084sn02q") { id } }');
  assert.equal(data.node, null);
});
