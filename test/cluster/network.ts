/**
 * The addresses of the cluster's pods and Services, and where on loopback they are: the API server takes no loopback
 * address for an endpoint, and a process without rights can have no other.
 */
import { randomInt } from 'node:crypto'

// By chance, so that two clusters on one machine hardly ever meet.
const network = 2 * randomInt(8, 120)

export const serviceRange = `10.${network}.0.0/16`

/** The n-th pod of a node. */
export const podAddress = (node: number, n: number): string =>
  `10.${network + 1}.${node * 16 + Math.floor(n / 250)}.${(n % 250) + 1}`

export const onLoopback = (address: string): string => address.replace(/^10\./, '127.')
