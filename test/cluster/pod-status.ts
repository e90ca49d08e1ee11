import type { V1Pod } from '@kubernetes/client-node'
import type { Container, Exit, Waiting } from './container.ts'

/** A pod of a node, and what is known of its container. */
export interface Slot {
  pod: V1Pod
  address: string
  dir: string
  container?: Container
  waiting?: Waiting
  last?: { exit: Exit; startedAt: Date; finishedAt: Date }
  restarts: number
  deletion?: { gracePeriod: number; at: number }
  /** Aborted when nothing of the pod is to run any more. */
  over: AbortController
  done: Promise<void>
}

/** What a kubelet says of a pod. */
export function statusOf(slot: Slot): object {
  const { pod, container, waiting, last, restarts, address } = slot
  const [spec] = pod.spec?.containers ?? []
  const ready = container?.ready ?? false
  const ended =
    !container && last !== undefined && (slot.over.signal.aborted || pod.spec?.restartPolicy !== 'Always')
  const terminated = last && {
    exitCode: last.exit.exitCode,
    reason: last.exit.exitCode === 0 ? 'Completed' : 'Error',
    startedAt: last.startedAt,
    finishedAt: last.finishedAt
  }
  const state = container
    ? { running: { startedAt: container.startedAt } }
    : ended
      ? { terminated }
      : { waiting: { reason: waiting?.reason ?? (last ? 'CrashLoopBackOff' : 'ContainerCreating') } }
  const now = new Date()
  const condition = (type: string, is: boolean) => {
    const before = pod.status?.conditions?.find((known) => known.type === type)
    const status = is ? 'True' : 'False'
    return { type, status, lastTransitionTime: before?.status === status ? before.lastTransitionTime : now }
  }
  const phase = ended
    ? last?.exit.exitCode === 0
      ? 'Succeeded'
      : 'Failed'
    : container || restarts > 0
      ? 'Running'
      : 'Pending'
  return {
    phase,
    hostIP: '10.0.0.1',
    podIP: address,
    podIPs: [{ ip: address }],
    startTime: pod.status?.startTime ?? now,
    conditions: [
      condition('PodScheduled', true),
      condition('Initialized', true),
      condition('ContainersReady', ready),
      condition('Ready', ready)
    ],
    containerStatuses: [
      {
        name: spec?.name,
        image: spec?.image,
        imageID: '',
        ready,
        started: container !== undefined,
        restartCount: restarts,
        state,
        ...(terminated && !ended ? { lastState: { terminated } } : {})
      }
    ]
  }
}
