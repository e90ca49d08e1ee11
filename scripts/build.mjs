/** Bundles the service into dist/, packages included: a start reads a dozen files in place of a thousand. */
import { readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

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

// One file without the others' chunks: each file more is a millisecond before a new worker's first task.
await build({ ...common, entryPoints: ['src/worker.ts'] })
