import type { TaskContext } from '../../../../src/task-type.ts'
import task from '../../../../src/tasks/bom-coverage/bom-coverage.ts'
import type { CoverageResult } from '../../../../src/tasks/bom-coverage/result.ts'

export type Input = Parameters<typeof task.run>[0]

/** A context as a task gets it, that remembers the progress made. */
export function fakeContext(signal: AbortSignal = new AbortController().signal) {
  const steps: { value: number; text: string | undefined }[] = []
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const ctx: TaskContext = {
    taskId: 'task-1',
    attempt: 1,
    signal,
    log,
    restored: undefined,
    labels: {},
    requestId: undefined,
    traceparent: undefined,
    progress: (value, text) => steps.push({ value, text }),
    checkpoint: async () => {}
  }
  return { ctx, steps }
}

/** Runs the task as the service would, and passes the result through JSON as the service does. */
export async function runTask(input: Input): Promise<CoverageResult> {
  return JSON.parse(JSON.stringify(await task.run(input, fakeContext().ctx)))
}

/** A stock list of these rows, each `manufacturer_code,value,package,quantity,location`. */
export function stockList(...rows: string[]) {
  return ['manufacturer_code,value,package,quantity,location', ...rows, ''].join('\n')
}

/** A BOM of these rows, each `Designator,Value,Footprint,MPN`. */
export function bomList(...rows: string[]) {
  return ['Designator,Value,Footprint,MPN', ...rows, ''].join('\n')
}
