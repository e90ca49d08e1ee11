/**
 * The addresses of the cluster's pods and Services, and where on loopback they are: the API server takes no loopback
 * address for an endpoint, and a process without rights can have no other.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A network that no other cluster on this machine has: each listens on a port of its own while its process lives. */
async function reserveNetwork(): Promise<number> {
  for (;;) {
    const network = 2 * randomInt(8, 120)
    const server = createServer().unref().listen(20_000, `127.${network}.255.254`)
    try {
      await once(server, 'listening')
      return network
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    }
  }
}

const network = await reserveNetwork()

export const serviceRange = `10.${network}.0.0/16`

/** The n-th pod of a node. */
export const podAddress = (node: number, n: number): string =>
  `10.${network + 1}.${node * 16 + Math.floor(n / 250)}.${(n % 250) + 1}`

export const onLoopback = (address: string): string => address.replace(/^10\./, '127.')
