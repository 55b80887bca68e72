// The query page in a real browser, without a network: a query, an upload and a live event.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { customer, logTask, png, token, url, within } from './lib.mjs';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const skip = executablePath ? false : 'no Chromium on this machine';
if (skip) assert.notEqual(process.env.CI, 'true', 'CI needs Chromium');

/** open starts the browser on the query page; requests that leave this machine fail the test. */
async function open(t) {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  t.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const outside = [];
  page.on('request', r => { if (!/^(http:\/\/127\.0\.0\.1|data:|blob:|ws:\/\/127\.0\.0\.1)/.test(r.url())) outside.push(r.url()); });
  page.on('pageerror', e => console.error('page error:', e.message));
  page.setDefaultTimeout(90_000);
  await page.goto(`${url}/query/#token=${token}`);
  await query(page).waitFor();
  return { page, outside };
}

/** write replaces the text of an editor. */
async function write(page, editor, text) {
  await editor.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

const query = page => page.locator('.query-editor__input .cm-content');
const send = page => page.locator('.send-request__button');
const result = page => page.locator('app-query-result .cm-content').first();

test('a query runs in the page', { skip, timeout: 180_000 }, async t => {
  const { page, outside } = await open(t);
  await write(page, query(page), '{ viewer { account { name } } customers(first: 2) { nodes { displayName } } }');
  await send(page).click();
  await result(page).getByText('displayName').first().waitFor();
  assert.deepEqual(outside, [], 'the page works without a network');
});

test('a file is uploaded and a live event arrives in the page', { skip, timeout: 240_000 }, async t => {
  const { page } = await open(t);
  const customerId = await customer('Query page');
  const dir = await mkdtemp(join(tmpdir(), 'dossier-page-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'from-the-page.png'), png);

  await write(page, query(page), `mutation ($files: [Upload!]!) {
    documentUpload(input: { customerId: "${customerId}" }, files: $files) { results { fileName document { id } userErrors { message } } } }`);
  await page.getByText('Variables', { exact: true }).first().click();
  await page.getByText('Add files').first().click();
  await page.locator('.variables-file-item-name-input').fill('files');
  await page.locator('.variables-file-item-switch').click(); // one file or a list of files
  await page.locator('.variables-file-item-input').setInputFiles(join(dir, 'from-the-page.png'));
  await send(page).click();
  await result(page).getByText('from-the-page.png').first().waitFor();

  await write(page, query(page), `subscription { events(customerId: "${customerId}") { cursor ... on EventDelivery { event { type subject { ... on TimelineEntry { title } } } } } }`);
  await send(page).click();
  const arrived = page.getByText('Seen in the page').first().waitFor({ timeout: 90_000 });
  const timer = setInterval(() => logTask(customerId, 'Seen in the page').catch(() => {}), 1000);
  t.after(() => clearInterval(timer));
  await within(arrived, 'the live event in the page', 35_000);
});
