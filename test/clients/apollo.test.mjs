// Apollo Client 4 with apollo-upload-client 19 and graphql-ws, as a single-page app uses them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { ApolloClient, ApolloLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import UploadHttpLink from 'apollo-upload-client/UploadHttpLink.mjs';
import { createClient } from 'graphql-ws';
import { OperationTypeNode } from 'graphql';
import WebSocket from 'ws';
import { authorization, customer, endpoint, png, queue, socket } from './lib.mjs';

function connect(t) {
  const ws = createClient({ url: socket, webSocketImpl: WebSocket, connectionParams: { Authorization: authorization } });
  const client = new ApolloClient({
    cache: new InMemoryCache({ possibleTypes: { Node: ['Customer', 'Document'], UserError: ['InvalidInputError'] } }),
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(ws),
      new UploadHttpLink({ uri: endpoint, headers: { authorization, 'apollo-require-preflight': 'true' } }),
    ),
  });
  t.after(() => { client.stop(); return ws.dispose(); });
  return client;
}

const PROFILE = gql`
  query Profile($id: ID!) {
    node(id: $id) {
      id
      ... on Customer {
        displayName
        emails { id address isPrimary }
        documents(first: 5) { nodes { id title currentVersion { id sizeBytes contentType sha256 downloadUrl } } pageInfo { hasNextPage } }
      }
    }
  }
`;
const UPLOAD = gql`
  mutation Upload($input: DocumentUploadInput!, $files: [Upload!]!) {
    documentUpload(input: $input, files: $files) {
      results { fileName document { id title } userErrors { code message path } }
      userErrors { code message path }
    }
  }
`;

test('query, upload and live event', async t => {
  const client = connect(t);
  const customerId = await customer('Apollo');
  const events = queue();
  const subscription = client
    .subscribe({
      query: gql`
        subscription Documents($customerId: ID!) {
          documentEvents(customerId: $customerId) {
            cursor
            ... on EventDelivery { prevSeq event { id seq type subject { ... on Document { id title } } } }
          }
        }
      `,
      variables: { customerId },
    })
    .subscribe({ next: r => events.push(r), error: e => events.push({ error: e }) });
  t.after(() => subscription.unsubscribe());
  const first = await events.next('the first heartbeat');
  assert.equal(first.error, undefined);
  assert.equal(first.data.documentEvents.__typename, 'Heartbeat');

  const { data } = await client.mutate({
    mutation: UPLOAD,
    variables: {
      input: { customerId, titles: ['Photo', null] },
      files: [new File([png], 'photo ä.png', { type: 'image/png' }), new File(['a,b\n1,2\n'], 'table.csv', { type: 'text/csv' })],
    },
  });
  assert.deepEqual(data.documentUpload.userErrors, []);
  assert.deepEqual(data.documentUpload.results.map(r => [r.fileName, r.document?.title, r.userErrors]), [
    ['photo ä.png', 'Photo', []],
    ['table.csv', 'table.csv', []],
  ]);

  const seen = [];
  for (const result of data.documentUpload.results) {
    let message;
    do { // the preview of the first one can be told of before the second one
      message = await events.next('the event of ' + result.fileName);
      assert.equal(message.error, undefined);
    } while (message.data.documentEvents.event?.type !== 'DOCUMENT_CREATED');
    assert.equal(message.data.documentEvents.event.subject.id, result.document.id);
    seen.push(message.data.documentEvents.event.seq);
  }
  assert.ok(seen[1] > seen[0]);

  const profile = await client.query({ query: PROFILE, variables: { id: customerId }, fetchPolicy: 'network-only' });
  assert.equal(profile.data.node.displayName, 'Apollo');
  const documents = profile.data.node.documents.nodes;
  assert.deepEqual(documents.map(d => d.title), ['table.csv', 'Photo']);
  const photo = documents[1].currentVersion;
  assert.equal(photo.sizeBytes, png.length);
  assert.equal(photo.contentType, 'image/png');

  const download = await fetch(photo.downloadUrl);
  assert.equal(download.status, 200);
  assert.deepEqual(new Uint8Array(await download.arrayBuffer()), png);
  assert.match(download.headers.get('content-disposition'), /^attachment/);
  assert.equal(download.headers.get('x-content-type-options'), 'nosniff');
});

test('a user error is data with a path', async t => {
  const client = connect(t);
  const { data } = await client.mutate({
    mutation: gql`
      mutation ($input: CustomerCreateInput!) {
        customerCreate(input: $input) { customer { id } userErrors { __typename code message path } }
      }
    `,
    variables: { input: { givenName: 'Ada', emails: [{ address: 'ada@example.com' }, { address: 'not an address' }], phones: [{ number: '030' }] } },
  });
  assert.equal(data.customerCreate.customer, null);
  assert.deepEqual(data.customerCreate.userErrors.map(e => [e.__typename, e.code, e.path.join('.')]), [
    ['InvalidInputError', 'BAD_USER_INPUT', 'input.emails.1.address'],
    ['InvalidInputError', 'BAD_USER_INPUT', 'input.phones.0.number'],
  ]);
});
