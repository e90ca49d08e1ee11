/** The task types of test/task-types, as files that a test puts into its TASKS_DIR. */
import { readFileSync } from 'node:fs'

/** The source of one type, with policies that the test states itself, and under another name if it needs the type twice. */
export function taskFile(type: string, policies = '', name = type): string {
  const source = readFileSync(new URL(`task-types/${type}.mjs`, import.meta.url), 'utf8')
  // Before `run`, because the last of two equal keys counts.
  return source
    .replace(`type: '${type}'`, `type: '${name}'`)
    .replace(/^ {2}(async )?run\b/m, (run) => (policies === '' ? run : `  ${policies},\n${run}`))
}

/** Several types as they are, by the names of their files. */
export function taskFiles(...types: string[]): Record<string, string> {
  return Object.fromEntries(types.map((type) => [`${type}.mjs`, taskFile(type)]))
}
