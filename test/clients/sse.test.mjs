// GraphQL over Server-Sent Events, with the graphql-sse client and by hand with Last-Event-ID.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createClient } from 'graphql-sse';
import { customer, endpoint, headers, logTask, within } from './lib.mjs';

const EVENTS = `subscription ($customerId: ID, $after: EventCursor) {
  events(customerId: $customerId, after: $after) { cursor ... on EventDelivery { event { seq subject { ... on TimelineEntry { title } } } } }
}`;

test('the graphql-sse client gets live events', async t => {
  const client = createClient({ url: endpoint, headers });
  t.after(() => client.dispose());
  const customerId = await customer('SSE');
  const messages = client.iterate({ query: EVENTS, variables: { customerId } });
  assert.ok((await within(messages.next(), 'the first heartbeat')).value.data.events.cursor);
  await logTask(customerId, 'over SSE');
  const { value } = await within(messages.next(), 'the event');
  assert.equal(value.data.events.event.subject.title, 'over SSE');
  await messages.return();
});

/** open reads a stream as a browser's EventSource does and yields {id, event, data}. */
async function* open(variables, lastEventId, signal) {
  const response = await fetch(endpoint, {
    method: 'POST',
    signal,
    headers: {
      ...headers, accept: 'text/event-stream', 'content-type': 'application/json', ...(lastEventId && { 'last-event-id': lastEventId }),
    },
    body: JSON.stringify({ query: EVENTS, variables }),
  });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const fields = Object.fromEntries(
        text.slice(0, end).split('\n').filter(l => !l.startsWith(':')).map(l => [l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 1).trimStart()]),
      );
      if (fields.event) yield { ...fields, data: fields.data && JSON.parse(fields.data) };
    }
  }
}

test('Last-Event-ID goes on where the stream was cut', async () => {
  const customerId = await customer('Last-Event-ID');
  const cut = new AbortController();
  const first = open({ customerId }, undefined, cut.signal);
  const start = (await within(first.next(), 'the first heartbeat')).value;
  await logTask(customerId, 'one');
  const one = (await within(first.next(), 'one')).value;
  assert.equal(one.data.data.events.event.subject.title, 'one');
  assert.notEqual(one.id, start.id);
  cut.abort();
  await logTask(customerId, 'two');
  await logTask(customerId, 'three');
  const stop = new AbortController();
  const second = open({ customerId }, one.id, stop.signal);
  for (const title of ['two', 'three']) {
    const { value } = await within(second.next(), title);
    assert.equal(value.data.data.events.event.subject.title, title);
  }
  stop.abort();
});
