// graphql-transport-ws with the graphql-ws client, and its close codes with a bare WebSocket.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { authorization, customer, logTask, queue, socket, within } from './lib.mjs';

function client(t, options = {}) {
  const c = createClient({ url: socket, webSocketImpl: WebSocket, connectionParams: { Authorization: authorization }, ...options });
  t.after(() => c.dispose());
  return c;
}

const EVENTS = `subscription ($customerId: ID, $after: EventCursor) {
  events(customerId: $customerId, after: $after) { cursor ... on EventDelivery { prevSeq event { id seq type } } }
}`;

/** follow collects deliveries until there are n. */
async function follow(c, customerId, after, n) {
  const got = [];
  for await (const { data, errors } of c.iterate({ query: EVENTS, variables: { customerId, after } })) {
    assert.equal(errors, undefined);
    if (data.events.event) got.push(data.events);
    if (got.length === n) break;
  }
  return got;
}

test('a subscription resumes from its cursor and misses nothing', async t => {
  const c = client(t);
  const customerId = await customer('Resume');
  const { value: start } = await c.iterate({ query: EVENTS, variables: { customerId } }).next();
  const after = start.data.events.cursor;
  for (let i = 0; i < 3; i++) await logTask(customerId, 'before ' + i);
  const first = await within(follow(c, customerId, after, 2), 'two events');
  for (let i = 0; i < 3; i++) await logTask(customerId, 'after ' + i);
  const rest = await within(follow(c, customerId, first[1].cursor, 4), 'the other four');
  const all = [...first, ...rest];
  assert.equal(new Set(all.map(m => m.event.id)).size, 6);
  for (let i = 1; i < all.length; i++) {
    assert.equal(all[i].prevSeq, all[i - 1].event.seq, 'prevSeq proves that nothing is missing');
  }
});

test('queries and mutations work over the socket', async t => {
  const { value } = await client(t).iterate({ query: '{ viewer { account { name } permissions } }' }).next();
  assert.ok(value.data.viewer.permissions.includes('customers:write'));
});

test('a wrong cursor is an error of the operation, not of the socket', async t => {
  const c = client(t);
  const { value } = await c.iterate({ query: '{ viewer { account { id } } }' }).next();
  assert.ok(value.data);
  await assert.rejects(
    c.iterate({ query: EVENTS, variables: { after: 'nonsense' } }).next(),
    errors => errors[0].extensions.code === 'INVALID_CURSOR',
  );
});

/** closed opens a bare socket, lets the test misbehave, and gives the code that the server closes with. */
async function closed(behave, protocol = 'graphql-transport-ws') {
  const ws = new WebSocket(socket, protocol);
  const messages = queue();
  ws.on('message', m => messages.push(JSON.parse(m)));
  const end = new Promise((resolve, reject) => { ws.on('close', resolve); ws.on('error', reject); });
  await within(new Promise((resolve, reject) => { ws.on('open', resolve); ws.on('error', reject); }), 'the upgrade');
  const send = message => ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  await behave(send, messages);
  return within(end, 'the close', 20_000);
}
const init = { type: 'connection_init', payload: { Authorization: authorization } };

test('4400: what is not of the protocol', async () => {
  assert.equal(await closed(send => send('{"type":"nonsense"}')), 4400);
  assert.equal(await closed(send => send('not json')), 4400);
});
test('4401: subscribe before the acknowledgement', async () => {
  assert.equal(await closed(send => send({ id: '1', type: 'subscribe', payload: { query: '{ __typename }' } })), 4401);
});
test('4403: a credential that does not hold', async () => {
  assert.equal(await closed(send => send({ type: 'connection_init', payload: { Authorization: 'Bearer nonsense' } })), 4403);
});
test('4406: without the subprotocol', async () => {
  assert.equal(await closed(() => {}, []), 4406);
});
test('4408: no connection_init in time', { timeout: 30_000 }, async () => {
  assert.equal(await closed(() => {}), 4408);
});
test('4409: an operation id that is in use', async () => {
  assert.equal(
    await closed(async (send, messages) => {
      send(init);
      assert.equal((await messages.next('the acknowledgement')).type, 'connection_ack');
      const subscribe = { id: 'same', type: 'subscribe', payload: { query: EVENTS } };
      send(subscribe);
      send(subscribe);
    }),
    4409,
  );
});
test('4429: a second connection_init', async () => {
  assert.equal(await closed(send => { send(init); send(init); }), 4429);
});
