/** Writes the tables that follow from the code into the Markdown files, between their markers. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { statusCodes } from '../plugins/errors.ts'
import { buildApp } from '../src/app.ts'
import { describeSettings, readSettings } from '../src/config.ts'
import { messages } from '../src/errors.ts'

const root = new URL('../', import.meta.url)

const renderers: Record<string, () => string | Promise<string>> = {
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
  routes: async () => {
    const app = await buildApp({ settings: readSettings({ TASK_STORE_URL: 'sqlite::memory:' }) })
    const { paths }: { paths: Record<string, Record<string, { summary?: string }>> } = (
      await app.inject('/openapi.json')
    ).json()
    await app.close()
    const rows = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { summary }]) => [
        `\`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}\``,
        String(summary)
      ])
    )
    return table(['route', 'what it does'], rows)
  }
}

export const documents = ['README.md', 'docs/errors.md']

/** The file's text as it should be. */
export async function render(name: string): Promise<string> {
  let text = readFileSync(new URL(name, root), 'utf8')
  for (const [key, renderer] of Object.entries(renderers)) {
    const block = new RegExp(`(<!-- ${key}: [^>]*-->\n)[^]*?(<!-- /${key} -->)`)
    if (!block.test(text)) continue
    const rendered = await renderer()
    text = text.replace(block, (_, start: string, end: string) => `${start}${rendered}\n${end}`)
  }
  return text
}

function table(header: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of documents) writeFileSync(new URL(name, root), await render(name))
}
