// Serves this page: node serve.mjs [port]. Without npm install, UPPY says where Uppy's package is.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const types = { '.html': 'text/html', '.mjs': 'text/javascript', '.css': 'text/css' };

/** serve answers on the port of this machine; uppy is the folder of Uppy's package. */
export function serve(port, uppy = join(here, 'node_modules/uppy')) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://page').pathname));
    const file = path.startsWith('/uppy/') ? join(uppy, 'dist', path.slice(6)) : join(here, path === '/' ? 'index.html' : path);
    const type = types[extname(file)];
    try {
      if (!type) throw new Error('not served');
      const body = await readFile(file);
      response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(process.argv[2] ?? 8090);
  await serve(port, process.env.UPPY);
  console.log(`http://127.0.0.1:${port}`);
}
