import { existsSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { startChromium } from '../../test/chromium.ts'
import { Connection, startTasks } from '../connection.ts'
import { fillStore } from '../fill-store.ts'
import { type Contender, quantile, type Row } from '../measure.ts'
import { startLastcall } from '../program.ts'

const tasksInStore = 100_000
// Each is accepted, started and completed: 1,000 changes a second.
const tasksPerSecond = 333

// Run in the page: the time from each key to the next frame after it, and between frames.
const record = `(() => {
  const figures = { inputs: [], frames: [] }
  addEventListener('keydown', (event) => {
    requestAnimationFrame(() => setTimeout(() => figures.inputs.push(performance.now() - event.timeStamp)))
  }, true)
  let last
  const frame = (now) => {
    if (last !== undefined) figures.frames.push(now - last)
    last = now
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
  globalThis.figures = figures
})()`

/** Memory that the page's scripts hold, in MiB, without what can be collected. */
async function heapMiB(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  await session.detach()
  return usedSize / 2 ** 20
}

const page: Contender = {
  name: 'lastcall, in Chromium',
  async setUp() {
    const program = await startLastcall({ MAX_PENDING: '100000000', TASK_RETENTION: '100000' }, (path) =>
      fillStore(path, tasksInStore, 0)
    )
    const open = Array.from({ length: 16 }, () => new Connection(program.port))
    const browser = await startChromium()
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${program.port}/ui/`)
    await page.locator('tbody tr').first().waitFor()
    await page.evaluate(record)
    return {
      async measure(seconds) {
        await page.evaluate('figures.inputs = []; figures.frames = []')
        const load = startTasks(open, tasksPerSecond, seconds)
        const until = performance.now() + seconds * 1000
        while (performance.now() < until) {
          await page.keyboard.press('Tab')
          await page.waitForTimeout(100)
        }
        await load
        const { inputs, frames } = (await page.evaluate('figures')) as Record<'inputs' | 'frames', number[]>
        return {
          'longest input, ms': Math.max(...inputs),
          'input p50, ms': quantile(inputs, 0.5),
          'longest frame, ms': Math.max(...frames),
          'frames/s': frames.length / (frames.reduce((sum, ms) => sum + ms, 0) / 1000),
          'heap, MiB': await heapMiB(page)
        }
      },
      async close() {
        await browser.close()
        for (const connection of open) connection.close()
        return program.stop()
      }
    }
  }
}

export const pageRow: Row = {
  title: `the operators' page, ${tasksInStore.toLocaleString('en')} tasks, 1,000 changes/s`,
  contenders: existsSync('/usr/bin/chromium') ? [page] : [],
  limits: { 'longest input, ms': { max: 50 } }
}
