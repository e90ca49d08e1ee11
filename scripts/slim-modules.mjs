/**
 * Removes from node_modules the packages that the bundle in dist/ does not import, and from the others what no process
 * reads: C sources, types, maps, and drivers for other platforms than the image's. The Dockerfile runs it.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const modules = 'node_modules'
const files = (dir) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** Every package that is there, by its name; those inside another one's folder stay with it. */
const installed = readdirSync(modules).flatMap((name) =>
  name.startsWith('@') ? readdirSync(join(modules, name)).map((part) => `${name}/${part}`) : [name]
)
const packageOf = (specifier) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

const needed = new Set()
const need = (name) => {
  if (needed.has(name) || !installed.includes(name)) return
  needed.add(name)
  for (const file of files(join(modules, name)).filter((file) => file.endsWith('package.json'))) {
    const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(readFileSync(file, 'utf8'))
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))
      need(other)
  }
}
for (const file of files('dist').filter((file) => file.endsWith('.js'))) {
  const source = readFileSync(file, 'utf8')
  for (const [, specifier] of source.matchAll(
    /(?:\bfrom|\bimport|\bimport\(|\brequire\w*\() ?["'`]([^"'`$\n]+)/g
  ))
    need(packageOf(specifier))
}
if (needed.size === 0) throw new Error('dist/ asks for no package: is it built?')
for (const name of installed) if (!needed.has(name)) rmSync(join(modules, name), { recursive: true })

// The builder may run on another processor than the image: Docker and buildah name the image's in TARGETARCH.
const { TARGETARCH } = process.env
const arch = TARGETARCH === 'amd64' ? 'x64' : TARGETARCH || process.arch
const { platform } = process
const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
const foreign = (file) => {
  const prebuild = /\/prebuilds\/([^/]+)\/.*?(?:\.(glibc|musl))?\.node$/.exec(file)
  return prebuild !== null && (prebuild[1] !== `${platform}-${arch}` || (prebuild[2] ?? libc) !== libc)
}
const unread = /(\.(map|md|markdown|c|cc|cpp|h|hpp|gyp|gypi)|\.d\.[cm]?ts)$/i
for (const file of files(modules)) if (foreign(file) || unread.test(file)) rmSync(file)
