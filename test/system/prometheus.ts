import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { stringify } from 'yaml'

export interface Sample {
  metric: Record<string, string>
  /** Of an instant query: the time and the value. */
  value: [number, string]
}

interface Options {
  /** A folder of its own. */
  dir: string
  /** Addresses that are scraped four times a second. */
  targets: string[]
  /** The spec of a PrometheusRule. */
  rules?: object
}

/** A real Prometheus on a free port, ended with the test, that scrapes a release called lastcall in the namespace tasks. */
export async function startPrometheus(t: Test, { dir, targets, rules }: Options) {
  mkdirSync(dir)
  const every = '250ms'
  if (rules) writeFileSync(join(dir, 'rules.yaml'), stringify(rules))
  const config = {
    global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
    rule_files: rules ? ['rules.yaml'] : [],
    scrape_configs: [
      {
        job_name: 'lastcall',
        static_configs: [{ targets: targets.map((url) => new URL(url).host), labels: { namespace: 'tasks' } }]
      }
    ]
  }
  writeFileSync(join(dir, 'prometheus.yaml'), stringify(config))
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(dir, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      '--web.listen-address=127.0.0.1:0'
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] }
  )
  const exited = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const url = await new Promise<string>((resolve, reject) => {
    const lines: string[] = []
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line)
      const [, address] = /msg="Listening on" address=(\S+)/.exec(line) ?? []
      if (address) resolve(`http://${address}`)
    })
    exited.then(() => reject(new Error(lines.slice(-5).join('\n'))), reject)
  })

  const get = async (path: string, query: Record<string, string> = {}) => {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(query)}`)
    // biome-ignore lint/suspicious/noExplicitAny: what the data are depends on the path
    const { status, data, error } = (await response.json()) as { status: string; data: any; error?: string }
    if (status !== 'success') throw new Error(`${path} ${JSON.stringify(query)}: ${error}`)
    return data
  }
  const query = async (expr: string): Promise<Sample[]> => (await get('query', { query: expr })).result
  /** Resolves when the query has a result: Prometheus has no way to say so itself. */
  const until = async (expr: string): Promise<Sample[]> => {
    for (;;) {
      const samples = await query(expr).catch(() => [])
      if (samples.length > 0) return samples
      await sleep(100)
    }
  }
  /** The names of the alerts that fire now. */
  const firing = async (): Promise<string[]> => {
    const samples = await query('ALERTS{alertstate="firing"}')
    return [...new Set(samples.map(({ metric }) => metric.alertname ?? ''))].sort()
  }
  return { url, get, query, until, firing }
}
