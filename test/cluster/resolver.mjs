/** Loaded into a container's process: names of the cluster's Services, as its DNS would answer. */
import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { lookup } = dns
dns.lookup = (name, ...rest) => {
  const hosts = JSON.parse(readFileSync(process.env.CLUSTER_HOSTS ?? '', 'utf8'))
  return lookup(hosts[`${process.env.CLUSTER_NAMESPACE}/${name}`] ?? name, ...rest)
}
syncBuiltinESMExports()
