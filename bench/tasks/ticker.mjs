import { access } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export default {
  type: 'ticker',
  description: 'Once a file is there, reports progress as often as it may.',
  input: {},
  isolation: 'inline',
  async run({ gate, ticks, everyMs = 50 }, { progress }) {
    await isOpen(gate)
    for (let n = 1; n <= ticks; n++) {
      progress(n / ticks, `tick ${n}`)
      await sleep(everyMs)
    }
    return { ticks }
  }
}

/** One look at a time for all tasks that wait for the same file: what they cost is not what is measured. */
const gates = new Map()

function isOpen(file) {
  const waiting = gates.get(file) ?? wait(file)
  gates.set(file, waiting)
  return waiting
}

async function wait(file) {
  for (;;) {
    const isThere = await access(file).then(
      () => true,
      () => false
    )
    if (isThere) return
    await sleep(20)
  }
}
