/** Keeps docs/glossary.md true: the synonyms that it gave up do not come back into the code or the documents. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../', import.meta.url))

const places = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'docs',
  'helm',
  'plugins',
  'routes',
  'src',
  'client/src',
  'ui',
  'test',
  'bench'
]
/** What was given up, and what it is called now. `Promise.allSettled` is no match. */
const givenUp: [RegExp, string][] = [
  [/\bsettle[sd]?\b|\bsettling\b/i, 'finish, or record the outcome'],
  [/\bjudg(e|es|ed|ing)\b/i, 'resolve the outcome'],
  [/\bputBack\b|\b(put|puts|putting)\s+(it\s+|them\s+)?back\b/i, 'requeue'],
  [/\bfreed\b/i, 'release (a slot)'],
  [/\bannounce\(|\bonLeft\b/, 'requestExit'],
  [/\bunsaid\b/i, 'unsent'],
  [/\bunfit\b/i, 'unsupported'],
  [/\btroubled\b/i, 'unhealthy'],
  [/\blivesElsewhere\b/, 'isRemote'],
  [/\bforPatience\b/, 'an offline-queueing client'],
  [/\btold to (stop|leave|exit|serve)\b/i, 'aborted (a task), shut down (a process)'],
  [/\bleaving (pod|process|without)\b|\b(pods?|process) leaves?\b/i, 'shut down'],
  [/\bthe hard way\b/i, 'kill'],
  [/\bwaited for aside\b|\bpast the library\b/i, 'off the event loop; bypassing @fastify/sse'],
  [/\bbye\b/i, 'shutdown complete'],
  [/\bForget a\b/, 'Delete a'],
  [/\bwants? (no more )?traffic\b/i, 'ready, unready']
]

function filesOf(place: string): string[] {
  if (!statSync(root + place).isDirectory()) return [place]
  return (
    readdirSync(root + place, { recursive: true, encoding: 'utf8' })
      .map((name) => `${place}/${name}`)
      // This file has the words themselves.
      .filter((name) => !/node_modules|glossary\.test|\/ui\/vendor/.test(name))
      .filter((name) => /\.(js|ts|md|ya?ml|json|txt|tpl|lua)$/.test(name) && statSync(root + name).isFile())
  )
}

const files = places.flatMap(filesOf)

for (const [pattern, word] of givenUp) {
  t.test(`${pattern.source} is called: ${word}`, async (t) => {
    const found = files.flatMap((name) =>
      readFileSync(root + name, 'utf8')
        .split('\n')
        .flatMap((line, index) => (pattern.test(line) ? [`${name}:${index + 1}: ${line.trim()}`] : []))
    )
    t.strictSame(found, [])
  })
}

t.test('the glossary has every state and event of a task', async (t) => {
  const { statuses, finalEventTypes } = await import('../src/task.ts')
  const glossary = readFileSync(`${root}docs/glossary.md`, 'utf8')
  for (const word of [...statuses, ...finalEventTypes]) t.match(glossary, word)
})
