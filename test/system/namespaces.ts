/** Hosts of a network of the test's own, between which packets can be made to vanish. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { program } from '../build-age.ts'
import { needsCommand, programNode, watchServer } from '../helper.ts'

const run = promisify(execFile)
const ip = (...args: string[]) => run('ip', args)

/** Why a test that needs network namespaces is skipped, if it is; in CI they must be there. */
export function needsNamespaces(): string | false {
  const missing = needsCommand('ip') || needsCommand('iptables')
  if (missing || process.env.CI) return missing
  const name = `lastcall-${process.pid}`
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return 'network namespaces need root'
  spawnSync('ip', ['netns', 'del', name])
  return false
}

export interface Host {
  name: string
  address: string
}

let networks = 0

/** A bridge that this machine is on too, as a client is. */
export async function makeNetwork(t: Test) {
  // Names of interfaces have 15 characters at most.
  const id = `${(process.pid % 40_000).toString(36)}-${++networks}`
  const subnet = `10.${200 + networks}.${process.pid % 250}`
  const bridge = `lc${id}`
  await ip('link', 'add', bridge, 'type', 'bridge')
  t.teardown(() => ip('link', 'del', bridge))
  await ip('addr', 'add', `${subnet}.1/24`, 'dev', bridge)
  await ip('link', 'set', bridge, 'up')
  let hosts = 0

  const addHost = async (): Promise<Host> => {
    const number = ++hosts
    const name = `lastcall-${id}-${number}`
    const address = `${subnet}.${10 + number}`
    const outer = `${bridge}-${number}`
    await ip('netns', 'add', name)
    t.teardown(() => ip('netns', 'del', name))
    // A namespace lasts as long as its processes, and its end of the cable with it.
    t.teardown(() => ip('link', 'del', outer).catch(() => {}))
    await ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    await ip('link', 'set', outer, 'master', bridge, 'up')
    await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    await ip('-n', name, 'link', 'set', 'eth0', 'up')
    await ip('-n', name, 'link', 'set', 'lo', 'up')
    return { name, address }
  }
  /** What both send to each other vanishes, until the answer is called. */
  const cut = async (one: Host, other: Host) => {
    const rules = [
      ['INPUT', '-s', other.address, '-j', 'DROP'],
      ['OUTPUT', '-d', other.address, '-j', 'DROP']
    ]
    const change = async (how: '-A' | '-D') => {
      for (const rule of rules) await ip('netns', 'exec', one.name, 'iptables', '-w', how, ...rule)
    }
    await change('-A')
    return () => change('-D')
  }
  return { addHost, cut }
}

/** The program on such a host. */
export async function startPodOn(t: Test, { name, address }: Host, env: Record<string, string>) {
  const command = ['netns', 'exec', name, programNode, fileURLToPath(program)]
  const child = spawn('ip', command, {
    env: { PATH: process.env.PATH ?? '', HOST: address, PORT: '3000', ...env },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const pod = watchServer(t, child)
  pod.url = await pod.listening()
  return pod
}

/** A Redis, or a Sentinel, on such a host. */
export async function startRedisOn(t: Test, { name, address }: Host, port: number, args: readonly string[]) {
  const command = ['netns', 'exec', name, 'redis-server', ...args, '--port', `${port}`]
  const child = spawn('ip', [...command, '--protected-mode', 'no'], { stdio: 'ignore' })
  t.teardown(async () => {
    if (child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const redis = async (...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-h', address, '-p', `${port}`, ...args])).stdout
  while (!(await redis('PING').catch(() => '')).includes('PONG')) await sleep(20)
  return redis
}
