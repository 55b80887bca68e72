// The schema in the tools that clients are built with: relay-compiler and GraphQL Code Generator with TypeScript.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { buildSchema, parse, printSchema, validateSchema } from 'graphql';
import { url } from './lib.mjs';

const run = promisify(execFile);
const bin = (pkg, file) => join(dirname(createRequire(import.meta.url).resolve(pkg + '/package.json')), file);
const sdl = await (await fetch(url + '/schema.graphql')).text();

const PROFILE = `
  query Profile($id: ID!, $documents: Int = 20, $after: String) {
    node(id: $id) {
      ... on Customer {
        id displayName kind version viewerPermissions
        phones { e164 type } emails { address isPrimary }
        contacts(first: 10) { nodes { id givenName familyName phones { e164 } } }
        documents(first: $documents, after: $after, where: { status: [ACTIVE] }) {
          edges { cursor node { id title currentVersion { sizeBytes contentType downloadUrl } } }
          pageInfo { hasNextPage endCursor hasPreviousPage startCursor }
        }
        upcoming: timeline(direction: UPCOMING, first: 5) { nodes { id at title kind } }
        past: timeline(first: 20) { nodes { id at title kind subject { __typename ... on Document { id title } } } }
      }
    }
  }`;

async function workspace(t) {
  const dir = await mkdtemp(join(tmpdir(), 'dossier-tools-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('the SDL is a valid schema', () => {
  const schema = buildSchema(sdl);
  assert.deepEqual(validateSchema(schema), []);
  assert.ok(printSchema(schema).length > 10_000);
});

test('relay-compiler accepts the schema, with a paginated and refetchable fragment', async t => {
  const dir = await workspace(t);
  await mkdir(join(dir, 'src'));
  await writeFile(join(dir, 'schema.graphql'), sdl);
  await writeFile(join(dir, 'src/Documents.js'), `
    import { graphql } from 'relay-runtime';
    export const fragment = graphql\`
      fragment Documents_customer on Customer
      @refetchable(queryName: "DocumentsPaginationQuery")
      @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "String" }) {
        documents(first: $count, after: $cursor) @connection(key: "Documents_documents") {
          edges { node { id title currentVersion { sizeBytes } } }
        }
      }\`;
    export const query = graphql\`
      query DocumentsQuery($id: ID!) { customer(id: $id) { ...Documents_customer } customers(first: 5) { edges { node { id displayName } } } }\`;
    export const live = graphql\`
      subscription DocumentsSubscription($customerId: ID!) {
        documentEvents(customerId: $customerId) { cursor ... on EventDelivery { event { id type subject { ... on Document { id title } } } } }
      }\`;
  `);
  await writeFile(join(dir, 'relay.config.json'), JSON.stringify({ src: './src', schema: './schema.graphql', language: 'javascript' }));
  await writeFile(join(dir, 'package.json'), '{}');
  const { stdout, stderr } = await run(process.execPath, [bin('relay-compiler', 'cli.js'), join(dir, 'relay.config.json')], { cwd: dir });
  assert.doesNotMatch(stdout + stderr, /error/i);
  const artifact = await readFile(join(dir, 'src/__generated__/DocumentsPaginationQuery.graphql.js'), 'utf8');
  assert.match(artifact, /"kind": "Request"/);
});

test('code generator: typed operations compile under tsc --strict', async t => {
  const dir = await workspace(t);
  const output = await codegen({
    filename: 'graphql.ts',
    schema: parse(sdl),
    documents: [{ location: 'profile.graphql', document: parse(PROFILE) }],
    config: { scalars: { DateTime: 'string', Date: 'string', BigInt: 'number', URL: 'string', EventCursor: 'string', Upload: 'File' } },
    plugins: [{ typescriptOperations: {} }, { typedDocumentNode: {} }],
    pluginMap: { typescriptOperations, typedDocumentNode },
  });
  assert.match(output, /ProfileDocument/);
  await writeFile(join(dir, 'graphql.ts'), output);
  await writeFile(join(dir, 'use.ts'), `
    import type { ProfileQuery } from './graphql';
    export function title(data: ProfileQuery): string {
      const node = data.node;
      if (node && 'displayName' in node) {
        const first = node.documents.edges[0];
        const size: number = first ? first.node.currentVersion.sizeBytes : 0;
        return node.displayName + size;
      }
      return '';
    }
  `);
  const modules = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), '..');
  await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, skipLibCheck: true, module: 'esnext', moduleResolution: 'bundler', target: 'es2022', lib: ['es2022', 'dom'], types: [],
      paths: { '@graphql-typed-document-node/core': [join(modules, '@graphql-typed-document-node/core')], graphql: [join(modules, 'graphql')] },
    },
    files: ['graphql.ts', 'use.ts'],
  }));
  await run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', dir]).catch(e => assert.fail(e.stdout + e.stderr));
});
