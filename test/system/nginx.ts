import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { needsCommand } from '../helper.ts'
import { freePort } from '../redis.ts'

export const needsNginx = (): string | false => needsCommand('nginx')

/** nginx in front of servers that may change, as an ingress has it: keep-alive to them, and its default buffering. */
export async function startNginx(t: Test, dir: string) {
  const port = await freePort()
  const file = join(dir, 'nginx.conf')
  const configure = (servers: readonly string[]) => writeFile(file, configuration(dir, port, servers))
  // It has to have one; nobody is there.
  await configure(['http://127.0.0.1:1'])
  const child = spawn('nginx', ['-c', file, '-p', dir, '-e', join(dir, 'error.log')], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/healthz`).catch(() => undefined))) {
    if (child.exitCode !== null) throw new Error(await readFile(join(dir, 'error.log'), 'utf8'))
    await sleep(10)
  }
  return {
    url,
    /** Sends new requests to these servers, from when it resolves on; what is under way goes on. */
    point: async (servers: readonly string[]) => {
      await configure(servers)
      const before = new Set(acceptingWorkers(child.pid))
      child.kill('SIGHUP')
      for (;;) {
        const workers = acceptingWorkers(child.pid)
        if (workers.length > 0 && !workers.some((pid) => before.has(pid))) return
        await sleep(10)
      }
    }
  }
}

/** After a reload, workers of the old configuration take connections until they are told to shut down. */
function acceptingWorkers(master: number | undefined): string[] {
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ')
  return children.filter((pid) => titleOf(pid).startsWith('nginx: worker process\0'))
}

/** Empty of a process that is gone. */
function titleOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/ *\0*$/, '\0')
  } catch {
    return ''
  }
}

const configuration = (dir: string, port: number, urls: readonly string[]) => `
daemon off;
pid ${dir}/nginx.pid;
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  # A reload closes clients' idle connections, and a request may be on its way in one. What is tested is the way to the pods.
  keepalive_timeout 0;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  upstream pods {
    ${urls.map((url) => `server ${new URL(url).host};`).join('\n    ')}
    keepalive 32;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://pods;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`
