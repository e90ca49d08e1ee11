/** Checks Kubernetes objects: their values by schema, their fields by type, for the schemas let unknown ones pass. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { KubernetesObject } from './chart.ts'

const packages: Record<string, string> = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'keda.sh': '@kubernetes-models/keda'
}

function moduleOf({ apiVersion, kind }: KubernetesObject): string {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : undefined
  return `${packages[group ?? ''] ?? 'kubernetes-models'}/${apiVersion}/${kind}`
}

/** What is wrong with the values of an object, if anything. */
export async function problemOf(object: KubernetesObject): Promise<string | undefined> {
  // Each module exports its kind as a class; which one is known only now.
  const models = (await import(moduleOf(object))) as Record<
    string,
    new (
      data: object
    ) => { validate(): void }
  >
  const Model = models[object.kind]
  if (!Model) return `${object.kind} is unknown`
  try {
    new Model(object).validate()
  } catch (error) {
    return `${object.kind} ${object.metadata.name}: ${String(error)}`
  }
}

/** Compiles every object as one of its type, in a folder from which the packages are found. */
export function compile(objects: KubernetesObject[], dir: string): string {
  const different = [...new Map(objects.map((object) => [JSON.stringify(object), object])).values()]
  const sources = different.map((object, index) => {
    const name = `I${object.kind}`
    return `import type { ${name} as T${index} } from '${moduleOf(object)}'
export const o${index}: T${index} = ${JSON.stringify(object, null, 2)}\n`
  })
  const file = join(dir, 'objects.ts')
  writeFileSync(file, sources.join('\n'))
  // By its script, since tap's hooks in child processes do not take a program without an extension.
  const tsc = fileURLToPath(new URL('../../node_modules/typescript/lib/tsc.js', import.meta.url))
  const options = '--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --types node'.split(' ')
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, ...options, file], {
    encoding: 'utf8'
  })
  if (status !== 0 && stdout === '') throw new Error(stderr)
  return stdout
}
