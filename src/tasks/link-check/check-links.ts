import { setMaxListeners } from 'node:events'
import type { TaskContext } from '../../task-type.ts'
import type { Guard } from './connector.ts'
import { fetchLink } from './fetch-link.ts'
import { Findings, type State } from './findings.ts'
import { fitResult, type LinkCheckResult } from './fit-result.ts'
import { type Link, lanesOf, listLinks } from './links.ts'
import { buildResult } from './result.ts'
import { Saver } from './saver.ts'
import { HostTurns, Slots } from './turns.ts'

export interface Work {
  urls: readonly string[]
  concurrency: number
  timeoutMs: number
  guard: Guard
}

/** Requests each link that no earlier attempt has requested; a link that fails is a finding, not an error. */
export async function checkLinks(work: Work, ctx: TaskContext<State>): Promise<LinkCheckResult> {
  const { urls, concurrency, timeoutMs, guard } = work
  const { links, linkOf } = listLinks(urls)
  const findings = new Findings(ctx.restored)
  const saver = new Saver(() => ctx.checkpoint(findings.state))
  const slots = new Slots(concurrency)
  const stop = new AbortController()
  setMaxListeners(concurrency, stop.signal)
  const options = { guard, turns: new HostTurns(), timeoutMs, signal: stop.signal }

  // On a shutdown, what is under way may end and is saved: cut off, it would be requested twice.
  const onAbort = () => {
    if (ctx.signal.reason.code !== 'shutdown') stop.abort(ctx.signal.reason)
  }
  ctx.signal.addEventListener('abort', onAbort)

  let done = linkOf.filter((link) => !link || findings.has(link)).length
  const reportProgress = () => ctx.progress(done / urls.length, `${done} of ${urls.length}`)

  // Its slot is free again when it is saved, so that a kill costs no more links than there are slots.
  const check = async (link: Link) => {
    if (ctx.signal.aborted || stop.signal.aborted) return
    findings.add(link, await fetchLink(link.url, options))
    await saver.save()
    done += link.entries
    reportProgress()
  }
  const runLane = async (lane: Link[]) => {
    for (const link of lane) await slots.take(() => check(link))
  }

  reportProgress()
  const lanes = lanesOf(links.filter((link) => !findings.has(link)))
  await Promise.all(lanes.map((lane) => runLane(lane).catch((error) => stop.abort(error))))
  ctx.signal.removeEventListener('abort', onAbort)
  ctx.signal.throwIfAborted()
  stop.signal.throwIfAborted()
  return fitResult(buildResult(urls, linkOf, findings))
}
