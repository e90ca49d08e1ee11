import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const script = join(root, 'scripts/slim-modules.mjs')
// What an ELF file says that it is for.
const machines: Record<string, number> = { x64: 0x3e, arm64: 0xb7 }

for (const [arch, machine] of Object.entries(machines)) {
  t.test(
    `what is left for an image of ${arch} is what the bundle asks for, with the driver for ${arch}`,
    async (t) => {
      const dir = t.testdir({
        dist: { 'server.js': `import { DatabaseSync } from '@photostructure/sqlite'` }
      })
      for (const name of ['@photostructure/sqlite', 'node-gyp-build', 'node-addon-api', 'yaml'])
        cpSync(join(root, 'node_modules', name), join(dir, 'node_modules', name), { recursive: true })
      const pretend = `data:text/javascript,Object.defineProperty(process,'arch',{value:'${arch}'})`
      execFileSync(process.execPath, ['--import', pretend, script], { cwd: dir })

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
