// Drag and drop into the example page with Uppy in a real browser, by both ways up; and gcs-browser-upload, a client of Google
// Cloud Storage's resumable uploads that knows nothing of Dossier.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { serve } from '../../examples/upload/serve.mjs';
import { graphql, png, token, url } from './lib.mjs';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const skip = executablePath ? false : 'no Chromium on this machine';
if (skip) assert.notEqual(process.env.CI, 'true', 'CI needs Chromium');

const port = Number(process.env.DOSSIER_PAGE_PORT);
const disk = { url, token };
const bucket = { url: process.env.DOSSIER_BUCKET_URL, token: process.env.DOSSIER_BUCKET_TOKEN };

let page, server, browser, folder;
before(async () => {
  server = await serve(port, join(import.meta.dirname, 'node_modules/uppy'));
  folder = await mkdtemp(join(tmpdir(), 'dossier-upload-'));
  if (!skip) browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'] });
});
after(async () => {
  await browser?.close();
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

const ask = (where, query, variables) => graphql(query, variables, where);

async function customer(where, name) {
  const data = await ask(where, `mutation ($input: CustomerCreateInput!) { customerCreate(input: $input) { customer { id } userErrors { message } } }`,
    { input: { givenName: name, emails: [{ address: `${randomUUID()}@example.com` }] } });
  return data.customerCreate.customer.id;
}

/** pdf is a content of its own that begins as a PDF does, in a real file. */
async function pdf(name, size) {
  const content = randomBytes(size);
  content.write('%PDF-1.4\n');
  return file(name, content);
}

async function file(name, content) {
  const path = join(folder, name);
  await writeFile(path, content);
  return { name, path, size: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

/** open shows the example page in a tab of its own, filled in, and watches what Uppy tells. */
async function open(t, where, way) {
  const customerId = await customer(where, `Dropped by ${way}`);
  const context = await browser.newContext();
  t.after(() => context.close());
  page = await context.newPage();
  page.on('pageerror', e => console.error('page error:', e.message));
  page.setDefaultTimeout(90_000);
  const fill = new URLSearchParams({ api: `${where.url}/graphql`, token: where.token, customer: customerId, way });
  await page.goto(`http://127.0.0.1:${port}/#${fill}`);
  await page.locator('.uppy-Dashboard-inner').waitFor();
  await page.evaluate(() => {
    globalThis.seen = { progress: [], success: [], errors: [] };
    uppy.on('upload-progress', (f, p) => seen.progress.push(p.bytesUploaded));
    uppy.on('upload-success', (f, r) => seen.success.push(r.body.id));
    uppy.on('upload-error', (f, e) => seen.errors.push(e.message));
  });
  return { customerId, devtools: await context.newCDPSession(page), context };
}

const seen = () => page.evaluate(() => globalThis.seen);
const until = (condition, argument) => page.waitForFunction(condition, argument, { timeout: 120_000, polling: 20 });

/** drop drags files of this machine over the page and lets them go, as the browser's own input. */
async function drop(devtools, ...files) {
  const box = await page.locator('.uppy-Dashboard-inner').boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const data = { items: [], files: files.map(f => f.path), dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) await devtools.send('Input.dispatchDragEvent', { type, ...at, data });
}

/** wantDocuments holds what is in the customer's file against what was dropped. */
async function wantDocuments(where, customerId, files) {
  const data = await ask(where, `query ($id: ID!) { customer(id: $id) { documents { nodes { title currentVersion { sha256 sizeBytes fileName downloadUrl } } } } }`, { id: customerId });
  const found = data.customer.documents.nodes.map(d => [d.currentVersion.fileName, Number(d.currentVersion.sizeBytes), d.currentVersion.sha256]);
  assert.deepEqual(found.sort(), files.map(f => [f.name, f.size, f.sha256]).sort());
  for (const document of data.customer.documents.nodes) {
    const bytes = Buffer.from(await (await fetch(document.currentVersion.downloadUrl)).arrayBuffer());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), document.currentVersion.sha256);
  }
}

for (const [name, where, way] of [
  ['streamed', disk, 'streamed'],
  ['straight to the disk store', disk, 'direct'],
  ['streamed on, into a bucket', bucket, 'streamed'],
  ['straight to the bucket', bucket, 'direct'],
]) {
  test(`files that are dropped are uploaded ${name}`, { skip, timeout: 300_000 }, async t => {
    const { customerId, devtools } = await open(t, where, way);
    const files = [await pdf('Contract & <b>annex.pdf', 3_000_000), await file('Größe 報告.png', Buffer.from(png)), await pdf('small.pdf', 1000)];
    await drop(devtools, ...files);
    await until(() => seen.success.length + seen.errors.length === 3);
    const { progress, success, errors } = await seen();
    assert.deepEqual(errors, []);
    assert.ok(progress.some(n => n > 0 && n < 3_000_000), `progress is told on the way: ${progress}`);
    assert.ok(progress.includes(3_000_000), `progress is told to the end: ${progress}`);
    assert.equal(new Set(success).size, 3);
    await page.locator('#documents li').nth(2).waitFor();
    await wantDocuments(where, customerId, files);
  });
}

/** cuttingLine is a line to a server that breaks each time so many bytes have gone up, and stays dead for a moment. */
async function cuttingLine(t, target, cuts) {
  const { hostname, port: targetPort } = new URL(target);
  const clients = new Set();
  let sent = 0, dead = false;
  const line = createTcpServer(client => {
    if (dead) return client.resetAndDestroy();
    const upstream = connect(targetPort, hostname);
    clients.add(client);
    client.on('error', () => {}).on('close', () => { clients.delete(client); upstream.end(); });
    upstream.on('error', () => {}).on('close', () => client.destroy());
    client.on('data', data => {
      upstream.write(data);
      sent += data.length;
      if (!cuts.length || sent < cuts[0]) return;
      sent = 0;
      cuts.shift();
      dead = true;
      setTimeout(() => { dead = false; }, 300);
      clients.forEach(c => c.resetAndDestroy()); // a reset upstream would take back what a busy server has not read yet
    });
    upstream.pipe(client);
  });
  t.after(() => line.close());
  await new Promise(resolve => line.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${line.address().port}`;
}

for (const [name, where] of [['disk store', disk], ['bucket', bucket]]) {
  test(`an upload to the ${name} goes on when the line is back`, { skip, timeout: 300_000 }, async t => {
    const { customerId, devtools } = await open(t, where, 'direct');
    const cuts = [1_200_000, 900_000, 700_000];
    let line;
    // What the API says of where to send the bytes leads over the line.
    await page.route('**/graphql', async route => {
      const response = await route.fetch();
      const answer = await response.json();
      const session = answer.data?.documentUploadBegin?.uploadSession;
      if (session) {
        const { origin } = new URL(session.uploadUrl);
        line ??= await cuttingLine(t, origin, cuts);
        session.uploadUrl = session.uploadUrl.replace(origin, line);
      }
      await route.fulfill({ response, json: answer });
    });
    const ranges = [];
    page.on('request', r => { if (r.method() === 'PUT') ranges.push(r.headers()['content-range']); });
    const large = await pdf('large.pdf', 4_900_000);
    await drop(devtools, large);
    await until(() => seen.success.length + seen.errors.length === 1);
    const { errors } = await seen();
    assert.deepEqual(errors, []);
    assert.deepEqual(cuts, [], 'the line broke each time');
    t.diagnostic(`sent ${ranges.join(', ')}`);
    assert.ok(ranges.filter(r => r.startsWith('bytes */')).length >= 3, `it asked what is stored: ${ranges}`);
    assert.ok(ranges.some(r => /^bytes [1-9]\d*-/.test(r)), `it went on where it was: ${ranges}`);
    await wantDocuments(where, customerId, [large]);
  });
}

for (const way of ['streamed', 'direct']) {
  test(`a file that is refused says why (${way})`, { skip, timeout: 300_000 }, async t => {
    const { customerId, devtools } = await open(t, disk, way);
    const good = await pdf('good.pdf', 2000);
    await drop(devtools, await file('page.pdf', Buffer.from('<!DOCTYPE html><script>alert(1)</script>')), await file('invoice.pdf.exe', Buffer.from('MZ\x90\x00\x03')), good);
    await until(() => seen.success.length === 1 && seen.errors.length === 2);
    const errors = (await seen()).errors.sort();
    assert.match(errors[0], /text\/html, which is not accepted/);
    assert.match(errors[1], /ends in \.exe/);
    // The person in front of the screen sees it, too.
    await page.locator('.uppy-Informer [role=alert]').first().waitFor();
    await wantDocuments(disk, customerId, [good]);
    const { storage } = await ask(disk, '{ storage { reservedBytes } }');
    assert.equal(Number(storage.reservedBytes), 0);
  });
}

test('an upload that is taken out of the list gives its room back', { skip, timeout: 300_000 }, async t => {
  const { devtools } = await open(t, bucket, 'direct');
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 300_000 });
  await drop(devtools, await pdf('cancelled.pdf', 4_000_000));
  await until(() => seen.progress.at(-1) > 300_000);
  await page.evaluate(() => uppy.cancelAll());
  for (let tries = 0; ; tries++) {
    const { storage } = await ask(bucket, '{ storage { reservedBytes } }');
    if (Number(storage.reservedBytes) === 0) break;
    assert.ok(tries < 100, `${storage.reservedBytes} bytes stay reserved`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
});

test('gcs-browser-upload sends to the disk store and goes on after a reload', { timeout: 60_000 }, async () => {
  // What it expects of a browser: a place that outlives the page, and a reader of files.
  const remembered = new Map();
  const storage = { getItem: k => remembered.get(k) ?? null, setItem: (k, v) => remembered.set(k, v), removeItem: k => remembered.delete(k) };
  class FileReader {
    readAsArrayBuffer(blob) {
      blob.arrayBuffer().then(result => { this.result = result; this.onload(); }, error => this.onerror(error));
    }
  }
  globalThis.window = { localStorage: storage, FileReader };
  globalThis.regeneratorRuntime = createRequire(import.meta.url)('regenerator-runtime');
  const { default: Upload } = createRequire(import.meta.url)('gcs-browser-upload');
  const customerId = await customer(disk, 'Reload');
  const content = randomBytes(2_000_000);
  content.write('%PDF-1.4\n');
  const begun = await ask(disk, `mutation ($input: DocumentUploadBeginInput!) { documentUploadBegin(input: $input) {
    uploadSession { id uploadUrl chunkGranularityBytes } userErrors { message } } }`,
  { input: { customerId, fileName: 'reload.pdf', sizeBytes: content.length, method: 'RESUMABLE' } });
  const { id, uploadUrl, chunkGranularityBytes } = begun.documentUploadBegin.uploadSession;
  const options = { id: 'reload', url: uploadUrl, file: new Blob([content]), chunkSize: chunkGranularityBytes, storage };
  let sent = 0;
  // The page is closed after three parts: the object that was sending is never heard of again.
  await assert.rejects(new Upload({ ...options, onChunkUpload: ({ uploadedBytes }) => { sent = uploadedBytes; if (uploadedBytes >= 3 * chunkGranularityBytes) throw new Error('closed'); } }).start(), /closed/);
  assert.equal(sent, 3 * chunkGranularityBytes);
  const parts = [];
  await new Upload({ ...options, onChunkUpload: ({ chunkIndex }) => parts.push(chunkIndex) }).start();
  assert.equal(parts[0], 3, `it goes on with the fourth part: ${parts}`);
  const done = await ask(disk, `mutation ($id: ID!) { documentUploadComplete(uploadSessionId: $id) { document { currentVersion { sha256 } } userErrors { message } } }`, { id });
  assert.equal(done.documentUploadComplete.document.currentVersion.sha256, createHash('sha256').update(content).digest('hex'));
});
