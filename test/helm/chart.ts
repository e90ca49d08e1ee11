/** The chart as a cluster would see it: rendered, parsed, and its pod as one would start it. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec'
import { parseAllDocuments } from 'yaml'
import { needsCommand } from '../helper.ts'

export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: what it is depends on the kind; a test looks at what it expects
  [field: string]: any
}

export type Values = Record<string, unknown>

export const chart = fileURLToPath(new URL('../../helm', import.meta.url))

/** $HELM, or what is on PATH. */
const program = process.env.HELM || 'helm'

/** Why tests of the chart are skipped, if they are. */
export const needsHelm: string | false =
  needsCommand(program) && 'helm is not installed: put it on PATH or into $HELM'

export function helm(args: string[], values: Values = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, [...args, '--values', '-'], {
    encoding: 'utf8',
    input: JSON.stringify(values),
    maxBuffer: 64 * 1024 * 1024
  })
  if (error) throw error
  return { status, stdout, stderr }
}

export interface RenderOptions {
  release?: string
  namespace?: string
  /** The chart, or a copy of it. */
  path?: string
  args?: string[]
}

/** Runs `helm template`, which answers with a status other than 0 when the chart refuses the values. */
export function template(values: Values = {}, options: RenderOptions = {}) {
  const { release = 'lastcall', namespace = 'tasks', path = chart, args = [] } = options
  // Each helm has its own idea of the newest Kubernetes.
  const given = ['--namespace', namespace, '--kube-version', '1.34.0', ...args]
  return helm(['template', release, path, ...given], values)
}

/** The objects that the chart makes of these values. */
export function renderChart(values: Values = {}, options: RenderOptions = {}): KubernetesObject[] {
  const { status, stdout, stderr } = template(values, options)
  if (status !== 0) throw new Error(stderr)
  return parseAllDocuments(stdout).flatMap((document) => {
    if (document.errors[0]) throw document.errors[0]
    const object: KubernetesObject | null = document.toJS()
    return object === null ? [] : [object]
  })
}

/** Why the chart refuses these values. */
export function refusal(values: Values, options: RenderOptions = {}): string {
  const { status, stderr } = template(values, options)
  if (status === 0) throw new Error('the chart took these values')
  return stderr
}

export const ofKind = (objects: KubernetesObject[], kind: string): KubernetesObject[] =>
  objects.filter((object) => object.kind === kind)

/** The only object of a kind; more or fewer are an error. */
export function only(objects: KubernetesObject[], kind: string): KubernetesObject {
  const [object, ...more] = ofKind(objects, kind)
  if (!object || more.length > 0) throw new Error(`not one ${kind} but ${object ? more.length + 1 : 0}`)
  return object
}

/** What the StatefulSet or the Deployment makes pods of. */
export function podTemplateOf(objects: KubernetesObject[]): IPodTemplateSpec & { metadata: object } {
  const workload = objects.find(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
  if (!workload) throw new Error('there is no workload')
  return workload.spec.template
}

/** The service's own container: its command is the image's, its probes, hooks and ports are here. */
export function containerOf(objects: KubernetesObject[]): IContainer {
  const container = podTemplateOf(objects).spec?.containers.find(({ name }) => name === 'lastcall')
  if (!container) throw new Error('there is no container called lastcall')
  return container
}

/**
 * The environment of the service's container, in Kubernetes' order: env wins over envFrom. `secrets` are those that the
 * chart expects to be there, by name; what it does not find is left out, as Kubernetes does with what is optional.
 */
export function environmentOf(
  objects: KubernetesObject[],
  secrets: Record<string, Record<string, string>> = {}
): Record<string, string> {
  const { envFrom = [], env = [] } = containerOf(objects)
  const named = (kind: string, name: string | undefined) =>
    ofKind(objects, kind).find(({ metadata }) => metadata.name === name)
  const environment: Record<string, string> = {}
  for (const { configMapRef } of envFrom)
    Object.assign(environment, named('ConfigMap', configMapRef?.name)?.data)
  for (const { name, value, valueFrom } of env) {
    const secret = valueFrom?.secretKeyRef
    const found = secret
      ? (secrets[secret.name ?? ''] ?? textOf(named('Secret', secret.name)))?.[secret.key]
      : value
    if (found !== undefined) environment[name] = found
  }
  return environment
}

/** What is in a Secret. */
export const textOf = (secret: KubernetesObject | undefined): Record<string, string> =>
  Object.fromEntries(
    Object.entries<string>(secret?.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString()
    ])
  )

/** The numbers by which a kubelet leads a pod out, in seconds. */
export function budgetsOf(objects: KubernetesObject[]) {
  const environment = environmentOf(objects)
  const setting = (name: string) => Number(environment[name])
  return {
    gracePeriod: Number(podTemplateOf(objects).spec?.terminationGracePeriodSeconds),
    preStop: containerOf(objects).lifecycle?.preStop?.sleep?.seconds ?? 0,
    shutdownDelay: setting('SHUTDOWN_DELAY'),
    gracefulShutdownTimeout: setting('GRACEFUL_SHUTDOWN_TIMEOUT'),
    cancelGrace: setting('CANCEL_GRACE'),
    scrapeLinger: setting('SCRAPE_LINGER')
  }
}
