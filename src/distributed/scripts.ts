import { createHash } from 'node:crypto'
import { type BullmqScript, bullmqFunction } from './scripts/bullmq.ts'
import { cancel } from './scripts/cancel.ts'
import { begin, claim, claiming, describing, enqueueingDue, release } from './scripts/claim.ts'
import { finish } from './scripts/finish.ts'
import { recover, renew } from './scripts/lease.ts'
import { checkpoint, progress, reporting } from './scripts/progress.ts'
import { get, list, oldestPending } from './scripts/read.ts'
import { remove, removing, sweep } from './scripts/remove.ts'
import { repair } from './scripts/repair.ts'
import { search, summaries } from './scripts/search.ts'
import { shared } from './scripts/shared.ts'
import { addShutdown, takeShutdown } from './scripts/shutdowns.ts'
import { queueing, submit } from './scripts/submit.ts'

export interface Script {
  text: string
  sha: string
}

function script(bullmq: BullmqScript[], ...parts: string[]): Script {
  const text = [shared, ...bullmq.map(bullmqFunction), ...parts].join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

const claims: BullmqScript[] = ['addPrioritizedJob', 'moveToActive', 'moveToFinished', 'moveToDelayed']
const requeues: BullmqScript[] = ['moveJobFromActiveToWait']

/** Arguments and answers are those of the methods of records.ts and jobs.ts. */
export const scripts = {
  submit: script(['addPrioritizedJob'], queueing, submit),
  claim: script(claims, claiming, claim),
  begin: script([], begin),
  release: script(['moveJobFromActiveToWait'], release),
  finish: script([...claims, ...requeues], claiming, reporting, finish),
  progress: script([], reporting, progress),
  checkpoint: script([], checkpoint),
  renew: script([], describing, renew),
  recover: script(['moveStalledJobsToWait', 'addPrioritizedJob'], queueing, enqueueingDue, recover),
  repair: script(['addPrioritizedJob'], queueing, repair),
  cancel: script([], cancel),
  remove: script([], removing, remove),
  sweep: script([], removing, sweep),
  get: script([], get),
  list: script([], list),
  oldestPending: script([], oldestPending),
  search: script([], search),
  summaries: script([], summaries),
  addShutdown: script([], addShutdown),
  takeShutdown: script([], takeShutdown)
} satisfies Record<string, Script>
