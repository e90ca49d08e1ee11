/** What of the chart follows from the settings of the service, and what of its README from the values' comments. */
import { readFileSync } from 'node:fs'
import { type TSchema, Type } from '@sinclair/typebox'
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml'
import { describeSettings, Settings } from '../src/config.ts'
import { table } from './table.ts'

const chart = new URL('../helm/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, chart), 'utf8')

/** Settings that follow from other values: `engine`, `redis` and `tasks`. Secrets are in a Secret. */
const decidedElsewhere = ['TASK_STORE_URL', 'TASKS_DIR']

/** The settings that the chart takes under `config`. */
export const chartSettings = describeSettings().filter(
  ({ name, secret }) => !secret && !decidedElsewhere.includes(name)
)

/** Settings that templates reckon with: without one of them they would go wrong, not fall back to the service's default. */
const readByTemplates = [
  'PORT',
  'GRACEFUL_SHUTDOWN_TIMEOUT',
  'SHUTDOWN_DELAY',
  'CANCEL_GRACE',
  'SCRAPE_LINGER',
  'MAX_WORKERS',
  'WORKER_MEMORY_LIMIT',
  'BODY_LIMIT'
]

const required: readonly string[] = Settings.required ?? []
const isRequired = (name: string) => required.includes(name)

/** values.yaml with the block of settings as it should be. */
export function renderValues(): string {
  const settings = chartSettings.map(
    ({ name, default: value, description }) =>
      `  # -- ${description}\n  ${name}: ${JSON.stringify(value ?? null)}\n`
  )
  // The block ends at an empty line: a closing comment would become one of the next value.
  return read('values.yaml').replace(
    /( {2}# settings: [^\n]*\n)[\s\S]*?\n\n/,
    (_, start: string) => `${start}${settings.join('')}\n`
  )
}

/** A setting as a value of the chart. */
function valueSchema(name: string, setting: TSchema): TSchema {
  // What has no default is null where it is not set. `--set` makes a string of a number with a fraction.
  if (!isRequired(name)) return Type.Union([setting, Type.Null()])
  if (setting.type !== 'number') return setting
  return { ...setting, type: ['number', 'string'], pattern: '^[0-9]+[.][0-9]+$' }
}

/** values.schema.json with the schema of the settings as it should be. */
export function renderSchema(): string {
  const schema = JSON.parse(read('values.schema.json'))
  const properties = Object.fromEntries(
    Object.entries<TSchema>(Settings.properties)
      .filter(([key]) => chartSettings.some(({ name }) => name === key))
      .map(([key, setting]) => [key, valueSchema(key, setting)])
  )
  schema.properties.config = {
    type: 'object',
    additionalProperties: false,
    // No other: `--reuse-values` takes the defaults of the chart before, which lack what a release added.
    required: readByTemplates,
    // Kubernetes has to know the port.
    properties: { ...properties, PORT: { ...properties.PORT, minimum: 1 } }
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** The rows of the chart's README: each value with a comment that begins with two dashes. */
export function renderValuesTable(): string {
  const rows: string[][] = []
  const describe = (map: YAMLMap, path: string) => {
    for (const [index, { key, value }] of map.items.entries()) {
      if (!isScalar(key)) throw new Error(`${path}: a key is no word`)
      const name = path + String(key.value)
      // What stands before the first key belongs to the map, as the library sees it.
      const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined) ?? ''
      const description = comment.split(/^ -- /m)[1]
      if (description !== undefined) {
        rows.push([`\`${name}\``, `\`${JSON.stringify(value)}\``, description.replaceAll(/\s+/g, ' ').trim()])
      } else if (isMap(value)) describe(value, `${name}.`)
      else throw new Error(`helm/values.yaml: ${name} has no comment`)
    }
  }
  const values = parseDocument(renderValues()).contents
  if (!isMap(values)) throw new Error('helm/values.yaml is no map')
  describe(values, '')
  return table(['value', 'default', 'meaning'], rows)
}
