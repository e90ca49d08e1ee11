import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const files = ['src', 'plugins', 'routes'].flatMap((dir) =>
  readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${dir}/${name}`)
)

/** What a file imports: project files by their path from the root, packages by name. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name = '']) =>
    name.startsWith('.') ? normalize(join(file, '..', name)) : name
  )
}

const composition = ['src/server.ts', 'src/app.ts']

const rules: { rule: string; of: (file: string) => boolean; forbidden: (name: string) => boolean }[] = [
  {
    rule: 'src knows neither plugins nor routes nor Fastify, but for server.ts and app.ts',
    of: (file) => file.startsWith('src/') && !composition.includes(file),
    forbidden: (name) => /^(plugins|routes)\/|fastify/.test(name)
  },
  {
    rule: 'plugins know no routes',
    of: (file) => file.startsWith('plugins/'),
    forbidden: (name) => name.startsWith('routes/')
  },
  {
    rule: 'routes reach the core through decorators, but for its shapes, errors and version',
    of: (file) => file.startsWith('routes/'),
    forbidden: (name) =>
      /^(src|plugins)\//.test(name) && !/^src\/(task|task-events|errors|version)\.ts$/.test(name)
  },
  {
    rule: 'the SQLite driver is known in src/embedded only',
    of: (file) => !file.startsWith('src/embedded/'),
    forbidden: (name) => name === '@photostructure/sqlite'
  },
  {
    rule: 'BullMQ and ioredis are known in src/distributed only',
    of: (file) => !file.startsWith('src/distributed/'),
    forbidden: (name) => name === 'bullmq' || name === 'ioredis'
  },
  {
    rule: 'an engine is known to create-engine.ts only',
    of: (file) => !/^src\/(embedded|distributed|create-engine)/.test(file),
    forbidden: (name) => /^src\/(embedded|distributed)\//.test(name)
  },
  {
    rule: 'the embedded engine does not know the distributed one',
    of: (file) => file.startsWith('src/embedded/'),
    forbidden: (name) => name.startsWith('src/distributed/')
  },
  {
    rule: 'the distributed engine does not know the embedded one',
    of: (file) => file.startsWith('src/distributed/'),
    forbidden: (name) => name.startsWith('src/embedded/')
  }
]

for (const { rule, of, forbidden } of rules) {
  t.test(rule, async (t) => {
    const broken = files.filter(of).flatMap((file) =>
      importsOf(file)
        .filter(forbidden)
        .map((name) => `${file} imports ${name}`)
    )
    t.strictSame(broken, [])
  })
}

t.test('only server.ts reads the environment, which child processes get as it is', async (t) => {
  const readers = files.filter((file) => readFileSync(join(root, file), 'utf8').includes('process.env'))
  t.strictSame(readers, ['src/server.ts', 'src/worker-process.ts'])
})
