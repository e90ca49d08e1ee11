/** Bundles the service into dist/, packages included: a start reads a dozen files in place of a thousand. */
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

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
  // What is loaded by its name: by node, and by the worker threads.
  entryPoints: ['src/server.ts', 'src/tasks/bom-coverage/bom-coverage.ts'],
  // Beside src/server.js, so that a path relative to a source file in src/ is right in its chunk too.
  chunkNames: '[name]-[hash]',
  splitting: true,
  // Native, with files of their own, or not needed by every start.
  external: [
    '@photostructure/sqlite',
    'piscina',
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

// One file without the others' chunks: each file more is a millisecond before a new thread's first task.
await build({ ...common, entryPoints: ['src/thread.ts'] })
