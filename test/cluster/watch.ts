import type { Informer, KubernetesObject } from '@kubernetes/client-node'

/** Starts an informer, and starts it again for as long as it takes when its watch breaks, until it is stopped. */
export async function keepWatching<T extends KubernetesObject>(
  informer: Informer<T>,
  isStopped: () => boolean
): Promise<void> {
  const again = () =>
    setTimeout(() => {
      if (!isStopped()) informer.start().catch(again)
    }, 500).unref()
  informer.on('error', again)
  await informer.start()
}
