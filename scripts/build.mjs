/** Bundles the service into dist/, packages included: a start reads a dozen files in place of a thousand. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import './vendor-ui.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

// All of them: the unit tests run the sources, and would not notice that one is missing here.
const builtInTypes = readdirSync(`${root}/src/tasks`).map((name) =>
  name.endsWith('.ts') ? `src/tasks/${name}` : `src/tasks/${name}/${name}.ts`
)

rmSync(`${root}/dist`, { recursive: true, force: true })
const common = {
  absWorkingDir: root,
  outdir: 'dist/src',
  outbase: 'src',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'eof',
  logLevel: 'warning'
}

await build({
  ...common,
  // What is loaded by its name: by node, and by the workers.
  entryPoints: ['src/server.ts', ...builtInTypes],
  // Beside src/server.js, so that a path relative to a source file in src/ is right in its chunk too.
  chunkNames: '[name]-[hash]',
  splitting: true,
  // Native, with files of their own, or not needed by every start.
  external: [
    '@photostructure/sqlite',
    'undici',
    'bullmq',
    'ioredis',
    '@fastify/swagger',
    '@fastify/swagger-ui',
    'pino-pretty'
  ],
  // CommonJS packages in an ES module, asking for what node brings along.
  banner: {
    js: `import { createRequire as createRequireOfBundle } from 'node:module'
const require = createRequireOfBundle(import.meta.url)`
  }
})

// Threads and processes, each one file without the others' chunks: each file more is a millisecond before it works.
await build({
  ...common,
  entryPoints: ['src/worker.ts', 'src/embedded/store-thread.ts'],
  external: ['@photostructure/sqlite']
})

// The operators' page, as it is and compressed: @fastify/static sends what the browser takes.
const page = `${root}/dist/ui`
cpSync(`${root}/ui`, page, { recursive: true, filter: (name) => !/(\.d\.ts|tsconfig\.json)$/.test(name) })
for (const name of readdirSync(page, { recursive: true, encoding: 'utf8' })) {
  if (!/\.(js|css|html|svg)$/.test(name)) continue
  const content = readFileSync(`${page}/${name}`)
  writeFileSync(`${page}/${name}.br`, brotliCompressSync(content))
  writeFileSync(`${page}/${name}.gz`, gzipSync(content, { level: 9 }))
}
