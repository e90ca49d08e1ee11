/** Writes what follows from the code into the Markdown files, between their markers, and into the chart. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { statusCodes } from '../plugins/errors.ts'
import { buildApp } from '../src/app.ts'
import { describeSettings, readSettings } from '../src/config.ts'
import { messages } from '../src/errors.ts'
import { roleWords, weakWords } from '../src/tasks/bom-coverage/words.ts'
import { onFirstUse } from '../src/validation.ts'
import type { Description } from './description.ts'
import { renderSchema, renderValues, renderValuesTable } from './render-chart.ts'
import { renderClientTypes } from './render-client-types.ts'
import { table } from './table.ts'

const root = new URL('../', import.meta.url)

/** Files that are rendered as a whole; values.yaml first, for a table follows from it. */
const files: Record<string, () => string | Promise<string>> = {
  'helm/values.yaml': renderValues,
  'helm/values.schema.json': renderSchema,
  'openapi.json': async () => `${JSON.stringify(await describeApi(), null, 2)}\n`,
  'client/src/types.ts': async () => renderClientTypes(await describeApi())
}

/** The API's description, of a service that knows the built-in task types alone. */
const describeApi = onFirstUse(async (): Promise<Description> => {
  const app = await buildApp({ settings: readSettings({ TASK_STORE_URL: 'sqlite::memory:' }) })
  const response = await app.inject('/openapi.json')
  await app.close()
  return response.json()
})

const renderers: Record<string, () => string | Promise<string>> = {
  values: renderValuesTable,
  settings: () =>
    table(
      ['variable', 'default', 'meaning'],
      describeSettings().map(({ name, default: value, description }) => [
        `\`${name}\``,
        value === undefined ? '' : `\`${value}\``,
        description
      ])
    ),
  errors: () =>
    table(
      ['code', 'status', 'message'],
      Object.entries(messages).map(([code, message]) => [
        `\`${code}\``,
        String(statusCodes[code as keyof typeof messages]), // the keys of the same table
        message.replaceAll(/%[sdj]/g, '…')
      ])
    ),
  metrics: async () => {
    const app = await buildApp({ settings: readSettings({ TASK_STORE_URL: 'sqlite::memory:' }) })
    await app.ready()
    // server.ts counts them; tests and this script have no log of their own.
    app.taskMetrics.countLostLines(() => 0)
    // The types of prom-client leave the labels out.
    const metrics: { name: string; help: string; labelNames?: string[] }[] =
      app.taskMetrics.registry.getMetricsAsArray()
    await app.close()
    // What Node and the process say of themselves has the names that prom-client gives it; the summary of requests is off.
    const ours = /^(task_|http_request_duration|process_(uncaught|log_lines))/
    return table(
      ['metric', 'labels', 'meaning'],
      metrics
        .filter(({ name }) => ours.test(name))
        .map(({ name, help, labelNames = [] }) => [
          `\`${name}\``,
          labelNames.map((label) => `\`${label}\``).join(', '),
          help
        ])
    )
  },
  'bom-words': () =>
    table(
      ['column', 'words'],
      Object.entries({ ...roleWords, 'weak words for designators': weakWords }).map(([column, words]) => [
        column,
        words.join(', ')
      ])
    ),
  routes: async () => {
    const { paths, tags } = await describeApi()
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ ...operation, method, path }))
    )
    // By subject, then by path; the methods of a path stay in the order of their declaration.
    const rows = tags.flatMap(({ name }) =>
      operations
        .filter((operation) => operation.tags.includes(name))
        .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
        .map(({ method, path, summary }) => [
          `\`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}\``,
          summary
        ])
    )
    return table(['route', 'what it does'], rows)
  }
}

export const documents = [
  ...Object.keys(files),
  'README.md',
  'docs/errors.md',
  'docs/metrics.md',
  'docs/bom-coverage.md',
  'helm/README.md'
]

/** The file's text as it should be. */
export async function render(name: string): Promise<string> {
  const whole = files[name]
  if (whole) return whole()
  let text = readFileSync(new URL(name, root), 'utf8')
  for (const [key, renderer] of Object.entries(renderers)) {
    const block = new RegExp(`(<!-- ${key}: [^>]*-->\n)[^]*?(<!-- /${key} -->)`)
    if (!block.test(text)) continue
    const rendered = await renderer()
    text = text.replace(block, (_, start: string, end: string) => `${start}${rendered}\n${end}`)
  }
  return text
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of documents) writeFileSync(new URL(name, root), await render(name))
}
