import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { NewTask, TaskRecord } from '../../src/task.ts'
import type { seededRandom } from './random.ts'
import type { Problem, Witness } from './witness.ts'

/** What a load is made of; where it runs has these types in its TASKS_DIR. */
export const loadTypes = {
  'quick.mjs': `export default {
    type: 'quick', description: 'Doubles a number.', input: {}, onShutdown: 'requeue',
    run: ({ n }) => ({ doubled: n * 2 })
  }`,
  'sleeper.mjs': `import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'sleeper', description: 'Waits, and says so.', input: {}, isolation: 'inline',
    async run ({ n }, { progress, signal }) {
      for (let step = 1; step <= 5; step++) {
        await sleep(20 + n % 20, undefined, { signal })
        progress(step / 5, 'step ' + step)
      }
      return { doubled: n * 2 }
    }
  }`,
  // Its file tells what it did: a kill takes nothing back that was written.
  'stepper.mjs': `import { appendFileSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'stepper', description: 'Does steps, each once.', input: {}, isolation: 'inline',
    onShutdown: 'requeue', onLost: 'requeue', maxRequeues: 1000,
    async run ({ n, dir, steps }, { attempt, checkpoint, progress, restored, signal, taskId }) {
      const note = (line) => appendFileSync(dir + '/' + taskId, line + '\\n')
      note('start ' + attempt)
      for (let step = (restored?.step ?? 0) + 1; step <= steps; step++) {
        await sleep(10, undefined, { signal })
        note('do ' + step + ' ' + attempt)
        await checkpoint({ step })
        note('saved ' + step + ' ' + attempt)
        progress(step / steps)
      }
      return { doubled: n * 2 }
    }
  }`,
  'third-time.mjs': `export default {
    type: 'third-time', description: 'Fails twice.', input: {}, isolation: 'inline',
    attempts: 3, backoffSeconds: 0.05, onShutdown: 'requeue', onLost: 'requeue', maxRequeues: 1000,
    async run ({ n }, { attempt }) {
      if (attempt < 3) throw new Error('not yet')
      return { doubled: n * 2 }
    }
  }`,
  'broken.mjs': `export default {
    type: 'broken', description: 'Fails.', input: {}, isolation: 'inline',
    async run () { throw Object.assign(new Error('no use'), { code: 'BROKEN' }) }
  }`
}

/** Types that go on when the process that runs them is lost. */
const survivors = ['stepper', 'third-time']

export interface LoadOptions {
  witness: Witness
  random: ReturnType<typeof seededRandom>
  seed: number
  /** Where steppers tell what they do. */
  stepsDir: string
  /** Most steps of a stepper, each some 10 ms. */
  steps?: number
  posters?: number
  /** So many tasks wait or run at once. */
  unfinished?: number
}

/** Posts, follows, repeats, reads and cancels tasks at random until it is stopped. */
export class Load {
  readonly #options: LoadOptions
  readonly #cancelled = new Set<string>()
  readonly #followed: Promise<unknown>[] = []
  readonly #posters: Promise<unknown>
  #roomWanted: (() => void)[] = []
  #posted = 0
  #open = 0
  #running = true

  constructor(options: LoadOptions) {
    this.#options = options
    this.#posters = Promise.all(Array.from({ length: options.posters ?? 8 }, () => this.#post()))
  }

  get posted(): number {
    return this.#posted
  }

  /** Posts no more, and waits for what is open; what never ends `Witness.verify` finds. */
  async stop(withinMs = 60_000): Promise<void> {
    this.#running = false
    for (const wake of this.#roomWanted) wake()
    await this.#posters
    await Promise.race([Promise.all(this.#followed), sleep(withinMs, undefined, { ref: false })])
  }

  /** Asserts that all that was seen is as promised, and every task's end as its type and its luck say. */
  async check(t: Test, problems: Problem[], mayBeLost = true): Promise<void> {
    const { witness, seed, stepsDir } = this.#options
    for (const { problem, ...more } of problems.slice(0, 5)) t.fail(problem, { seed, ...more })
    t.equal(problems.length, 0, `${this.#posted} tasks were kept as promised`)
    const records = await witness.readAll()
    const wrong = records.filter((record) => !this.#endedAsItShould(record, mayBeLost))
    t.strictSame(wrong.slice(0, 5), [], 'every task ended as its type and its luck say')
    const listed: string[] = []
    for await (const { taskId } of witness.client.list()) listed.push(taskId)
    t.strictSame(listed.sort(), witness.taskIds.sort(), 'every key made one task, and nothing else did')
    t.strictSame(
      await findWrongSteps(stepsDir),
      [],
      'only what came after the last checkpoint was done again'
    )
  }

  async #post(): Promise<void> {
    const { witness, random, seed, unfinished = 200 } = this.#options
    while (this.#running) {
      if (this.#open >= unfinished) {
        await new Promise<void>((resolve) => this.#roomWanted.push(resolve))
        continue
      }
      this.#open++
      const key = `${seed}-${this.#posted++}`
      const task = this.#chooseTask(this.#posted)
      const taskId = await witness.start(task, key)
      const streams = [witness.follow(taskId)]
      if (random.next() < 0.1) streams.push(witness.follow(taskId))
      this.#followed.push(Promise.all(streams.map((stream) => stream.done)).then(() => this.#makeRoom()))

      if (random.next() < 0.1) await witness.start(task, key)
      if (random.next() < 0.3) await witness.read(random.pick(witness.taskIds))
      if (random.next() < 0.05) await witness.client.remove(`none-${this.#posted}`)
      if (random.next() < 0.1) {
        this.#cancelled.add(taskId)
        await witness.client.cancel(taskId)
      }
    }
  }

  #makeRoom(): void {
    this.#open--
    const waiting = this.#roomWanted
    this.#roomWanted = []
    for (const wake of waiting) wake()
  }

  #chooseTask(n: number): NewTask {
    const { random, stepsDir: dir, steps = 20 } = this.#options
    // Few need a thread: each process has to start its own.
    const inline = ['sleeper', 'sleeper', 'stepper', 'stepper', 'third-time', 'broken']
    const type = random.below(12) === 0 ? 'quick' : random.pick(inline)
    const input = type === 'stepper' ? { n, dir, steps: 1 + random.below(steps) } : { n }
    return { type, input, priority: random.pick([0, 0, 0, 5]) }
  }

  #endedAsItShould(record: TaskRecord | undefined, mayBeLost: boolean): boolean {
    if (!record) return false
    const { type, taskId, status, result, error, cancelReason } = record
    if (status === 'cancelled') return this.#cancelled.has(taskId) && cancelReason === 'client'
    if (status === 'failed') {
      if (error?.code === 'BROKEN') return type === 'broken'
      return mayBeLost && error?.code === 'TASK_INTERRUPTED' && !survivors.includes(type)
    }
    return status === 'completed' && type !== 'broken' && typeof result === 'object'
  }
}

/** What the steppers' own files say against them. */
async function findWrongSteps(dir: string): Promise<string[]> {
  const wrong: string[] = []
  for (const taskId of await readdir(dir)) {
    const notes = await readFile(join(dir, taskId), 'utf8')
    let [attempt, done, saved] = [0, 0, 0]
    for (const note of notes.trimEnd().split('\n')) {
      const [what, text, of] = note.split(' ')
      const number = Number(text)
      // A process that was frozen goes on with its attempt until it learns that it has lost it.
      if ((what === 'start' ? number : Number(of)) < attempt) continue
      if (what === 'start' && number === attempt) wrong.push(`${taskId}: attempt ${number} again:\n${notes}`)
      if (what === 'do' && number <= saved) wrong.push(`${taskId}: step ${number} again:\n${notes}`)
      if (what === 'do' && number > done + 1) wrong.push(`${taskId}: step ${done + 1} left out:\n${notes}`)
      if (what === 'start') attempt = number
      if (what === 'do') done = number
      if (what === 'saved') saved = number
    }
  }
  return wrong
}
