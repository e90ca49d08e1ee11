// TypeScript for this thread: tsx registers itself in the main thread only, and worker threads inherit no hooks.
import { readdirSync, statSync } from 'node:fs'
import { register as registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const storeThread = 'src/embedded/store-thread'

/** Whether this is the thread of a store, and the build is newer than all sources: tsx takes a second for each such thread. */
function canUseBuild() {
  if (!process.argv[1]?.endsWith(`${storeThread}.ts`)) return false
  const built = statSync(`${root}dist/${storeThread}.js`, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  return sources.every((name) => !name.endsWith('.ts') || statSync(`${root}src/${name}`).mtimeMs < built)
}

if (canUseBuild()) {
  registerHooks('./built-thread.mjs', import.meta.url)
} else {
  const { register } = await import('tsx/esm/api')
  const { register: registerRequire } = await import('tsx/cjs/api')
  register()
  registerRequire()
}
