import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const script = join(root, 'scripts/slim-modules.mjs')
// What Node and a builder of images call a processor, and how an ELF file names it.
const processors = [
  { arch: 'x64', TARGETARCH: 'amd64', machine: 0x3e },
  { arch: 'arm64', TARGETARCH: 'arm64', machine: 0xb7 }
]

for (const { arch, TARGETARCH, machine } of processors) {
  t.test(
    `what is left for an image of ${arch} is what the bundle asks for, with the driver for ${arch}`,
    async (t) => {
      const dir = t.testdir({
        dist: { 'server.js': `import { DatabaseSync } from '@photostructure/sqlite'` }
      })
      for (const name of ['@photostructure/sqlite', 'node-gyp-build', 'node-addon-api', 'yaml'])
        cpSync(join(root, 'node_modules', name), join(dir, 'node_modules', name), { recursive: true })
      execFileSync(process.execPath, [script], { cwd: dir, env: { ...process.env, TARGETARCH } })

      const modules = join(dir, 'node_modules')
      t.strictSame(readdirSync(modules).sort(), ['@photostructure', 'node-addon-api', 'node-gyp-build'])
      const left = readdirSync(modules, { recursive: true, encoding: 'utf8' })
      const [driver = '', ...more] = left.filter((file) => file.endsWith('.node'))
      t.strictSame(more, [])
      t.match(driver, `linux-${arch}/`)
      t.equal(readFileSync(join(modules, driver)).readUInt16LE(18), machine)
      t.notOk(left.some((file) => /\.(c|h|map|d\.ts)$/.test(file)))
      t.ok(left.includes('@photostructure/sqlite/LICENSE'), 'licences stay')
    }
  )
}
