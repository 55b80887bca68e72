// Opens each hostile file in a real browser in every way that a page or a person can, and fails when anything of it runs:
// a script, a style, an event handler, a redirect. Run by TestHostileFilesRunNothingInABrowser.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { graphql, url } from './lib.mjs';

const documents = JSON.parse(process.env.DOSSIER_HOSTILE); // [{ id, name }]; what they call out with has their number
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
assert.ok(executablePath, 'no Chromium on this machine');

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const ran = [];
const counts = { downloads: 0, embedded: 0 };

/** link asks for the downloadUrl of a document: they live for minutes. */
async function link(id) {
  const data = await graphql('query ($id: ID!) { document(id: $id) { currentVersion { downloadUrl } } }', { id });
  return data.document.currentVersion.downloadUrl;
}

/** profile is a browser profile in which everything that a file does is seen, and nothing leaves this machine. */
async function profile() {
  const c = await browser.newContext({ acceptDownloads: true });
  await c.exposeBinding('pwned', (_, what) => { ran.push(`called pwned(${what})`); });
  await c.route(/pwned\.test/, route => { ran.push(`asked for ${route.request().url()}`); return route.abort(); });
  c.on('page', page => {
    page.setDefaultTimeout(90_000);
    page.on('dialog', d => { ran.push(`a dialog "${d.message()}"`); d.dismiss().catch(() => {}); });
    page.on('popup', () => ran.push('a window'));
  });
  return c;
}

/** attack takes a file as everything that an element of a page can take it for. */
const attack = href => `
<iframe src="${href}"></iframe><object data="${href}"></object><embed src="${href}">
<object type="text/html" data="${href}"></object><object type="image/svg+xml" data="${href}"></object>
<img src="${href}"><picture><source srcset="${href}" type="image/svg+xml"><img></picture><video src="${href}"></video>
<link rel="stylesheet" href="${href}"><link rel="manifest" href="${href}">
<script src="${href}"></script><script type="module" src="${href}"></script>
<script>
  navigator.serviceWorker?.register('${href}').then(() => pwned('a service worker'), () => {});
  try { new Worker('${href}').onmessage = () => pwned('a worker') } catch (e) {}
  import('${href}').then(() => pwned('a module'), () => {});
</script>
<svg xmlns="http://www.w3.org/2000/svg"><use href="${href}#x"></use></svg>`;

const head = `<!DOCTYPE html><title>attack</title>
<script>addEventListener('message', e => { if (String(e.data).includes('pwned')) pwned(e.data) })</script>`;

// What is not seen cannot fail: a page that is let run must be.
{
  const c = await profile();
  const page = await c.newPage();
  await page.route(`${url}/control.html`, route => route.fulfill({
    contentType: 'text/html', body: `<script>pwned('control'); new Image().src = 'http://pwned.test/control'; alert('control')</script>`,
  }));
  await page.goto(`${url}/control.html`, { waitUntil: 'load' });
  await page.waitForTimeout(300);
  assert.equal(ran.splice(0).length, 3, 'a script that runs is not seen');
  await c.close();
}

for (let from = 0; from < documents.length; from += 10) {
  const batch = documents.slice(from, from + 10);
  const c = await profile();
  const links = await Promise.all(batch.map(file => link(file.id)));
  // In the place of the API, where a script could ask for everything, and in the place of somebody else.
  for (const origin of [url, 'http://evil.test']) {
    const page = await c.newPage();
    await page.route(`${origin}/attack.html`, route => route.fulfill({ contentType: 'text/html', body: head + links.map(attack).join('') }));
    await page.goto(`${origin}/attack.html`, { waitUntil: 'load' });
    await page.waitForTimeout(300);
    assert.equal(await page.title(), 'attack', 'the page was taken over');
    counts.embedded += batch.length;
    await page.close();
  }
  // A person who opens the link.
  for (const [i, href] of links.entries()) {
    const page = await c.newPage();
    const download = page.waitForEvent('download');
    await page.goto(href).catch(e => assert.match(e.message, /Download is starting|ERR_ABORTED/, `${batch[i].name}: ${e.message}`));
    await (await download).path();
    assert.equal(page.url(), 'about:blank', `${batch[i].name} was shown`);
    counts.downloads++;
    await page.close();
  }
  await c.close();
}
await browser.close();
assert.deepEqual(ran, [], 'something of a hostile file ran');
assert.equal(counts.downloads, documents.length, 'not every link was a download');
console.log(`${documents.length} files: ${counts.downloads} downloads, ${counts.embedded} pages that embed one, nothing ran`);
