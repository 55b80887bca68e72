// urql with graphql-ws, as a React, Vue or Svelte app uses it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { authorization, customer, endpoint, headers, logTask, queue, socket } from './lib.mjs';

test('pages of a list, and a live event', async t => {
  const ws = createClient({ url: socket, webSocketImpl: WebSocket, connectionParams: { Authorization: authorization } });
  t.after(() => ws.dispose());
  const client = new Client({
    url: endpoint,
    fetchOptions: { headers },
    preferGetMethod: false,
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: operation => ({
          subscribe: sink => ({ unsubscribe: ws.subscribe({ ...operation, query: operation.query ?? '' }, sink) }),
        }),
      }),
    ],
  });

  const LIST = gql`
    query List($after: String) {
      customers(first: 7, after: $after, orderBy: { field: DISPLAY_NAME, direction: DESC }) {
        nodes { id displayName }
        pageInfo { hasNextPage endCursor }
      }
    }
  `;
  const ids = new Set();
  let after = null;
  for (let page = 0; page < 4; page++) {
    const { data, error } = await client.query(LIST, { after }).toPromise();
    assert.equal(error, undefined);
    for (const node of data.customers.nodes) {
      assert.ok(!ids.has(node.id), 'a customer came twice');
      ids.add(node.id);
    }
    if (!data.customers.pageInfo.hasNextPage) break;
    after = data.customers.pageInfo.endCursor;
  }
  assert.ok(ids.size > 20);

  const customerId = await customer('Urql');
  const events = queue();
  const { unsubscribe } = client
    .subscription(
      gql`subscription ($customerId: ID) { events(customerId: $customerId) { __typename cursor ... on EventDelivery { event { type subject { __typename ... on TimelineEntry { title } } } } } }`,
      { customerId },
    )
    .subscribe(r => events.push(r));
  t.after(unsubscribe);
  assert.equal((await events.next('the first heartbeat')).data.events.__typename, 'Heartbeat');
  await logTask(customerId, 'Call back');
  const message = await events.next('the event');
  assert.equal(message.error, undefined);
  assert.deepEqual(message.data.events.event, {
    type: 'TIMELINE_ENTRY_CREATED', subject: { __typename: 'TimelineEntry', title: 'Call back' },
  });
});
