import { within } from './timers.ts'

export interface CheckResult {
  ok: boolean
  detail?: string
}

// Below the usual probe timeouts, and below the two seconds within which the API answers 503.
const checkTimeoutMs = 1_000

/** Readiness checks by name: each one resolves when healthy, and rejects with the reason when not. */
export class Health {
  readonly #checks = new Map<string, () => Promise<void>>()

  addCheck(name: string, check: () => Promise<void>): void {
    this.#checks.set(name, check)
  }

  /** Runs all checks but the excluded ones at once; one that does not answer in a second has failed. */
  async check(exclude: readonly string[] = []): Promise<Record<string, CheckResult>> {
    const results = [...this.#checks]
      .filter(([name]) => !exclude.includes(name))
      .map(async ([name, check]) => [name, await run(check)] as const)
    return Object.fromEntries(await Promise.all(results))
  }
}

async function run(check: () => Promise<void>): Promise<CheckResult> {
  try {
    return (await within(checkTimeoutMs, check())) ? { ok: true } : { ok: false, detail: 'no answer' }
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}
