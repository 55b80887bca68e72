// The page: Uppy's Dashboard with one of two uploaders, as the form says.
import { Dashboard, Uppy, XHRUpload } from './uppy/uppy.min.mjs';
import { dataOf, refuse } from './graphql.mjs';
import { Resumable } from './resumable.mjs';

const field = id => document.getElementById(id);
const settings = () => ({ api: field('api').value, token: field('token').value, customerId: field('customer').value });
const way = () => document.querySelector('input[name=way]:checked').value;

const UPLOAD = `mutation ($input: DocumentUploadInput!, $files: [Upload!]!, $key: String) {
  documentUpload(input: $input, files: $files, idempotencyKey: $key) {
    results { document { id title } userErrors { message } } userErrors { message } } }`;

const uppy = new Uppy({ autoProceed: true }).use(Dashboard, { inline: true, target: '#uppy', width: '100%', height: 360, proudlyDisplayPoweredByUppy: false });

// The streamed way is a multipart request (https://github.com/jaydenseric/graphql-multipart-request-spec): the fields operations
// and map, and then the file. That is what XHRUpload sends when they are two metadata of the file.
const streamed = {
  endpoint: () => settings().api,
  fieldName: '0',
  allowedMetaFields: ['operations', 'map'],
  // Any of these headers makes the browser ask first, which is what keeps other pages out.
  headers: () => ({ authorization: `Bearer ${settings().token}`, 'graphql-require-preflight': '1', accept: 'application/graphql-response+json' }),
  // A refusal is an answer like any other; only what did not arrive is sent again, and the key sees to it that nothing is stored twice.
  shouldRetry: xhr => xhr.status === 0 || xhr.status >= 500,
  onAfterResponse: xhr => void resultOf(xhr),
  getResponseData: xhr => resultOf(xhr),
};

function resultOf(xhr) {
  const payload = refuse(dataOf(JSON.parse(xhr.responseText)).documentUpload);
  return refuse(payload.results[0]).document;
}

function choose() {
  for (const id of ['XHRUpload', 'Resumable']) {
    const plugin = uppy.getPlugin(id);
    if (plugin) uppy.removePlugin(plugin);
  }
  if (way() === 'direct') uppy.use(Resumable, { settings });
  else uppy.use(XHRUpload, streamed);
}

uppy.addPreProcessor(async ids => {
  for (const file of uppy.getFilesByIds(ids)) {
    uppy.setFileMeta(file.id, {
      operations: JSON.stringify({ query: UPLOAD, variables: { input: { customerId: settings().customerId }, files: [null], key: file.meta.key } }),
      map: '{"0": ["variables.files.0"]}',
    });
  }
});
uppy.on('file-added', file => uppy.setFileMeta(file.id, { key: crypto.randomUUID() }));
uppy.on('upload-success', (file, { body }) => {
  const item = document.createElement('li');
  item.dataset.id = body.id;
  item.textContent = `${body.title} (${body.id})`;
  field('documents').append(item);
});

// #token=...&customer=...&api=...&way=direct fills the form, for links.
for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
  if (name === 'way') document.querySelector(`input[name=way][value=${CSS.escape(value)}]`).checked = true;
  else if (field(name)) field(name).value = value;
}
history.replaceState(null, '', location.pathname);
document.querySelectorAll('input[name=way]').forEach(input => input.addEventListener('change', choose));
choose();
globalThis.uppy = uppy; // for the console
