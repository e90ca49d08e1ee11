/**
 * Copies the libraries of the operators' page from their packages into ui/vendor/, one module each, with their licences
 * and types. Bundled, because a browser cannot resolve the names that packages import each other by.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const vendor = `${root}/ui/vendor`

const preact = `import { h } from 'preact'
import htm from 'htm'
export { h, render, options, Fragment } from 'preact'
export { useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks'
export const html = htm.bind(h)
`
const modules = {
  preact: { source: preact, packages: ['preact', 'htm'] },
  uplot: { source: "export { default } from 'uplot'", packages: ['uplot'] }
}

rmSync(vendor, { recursive: true, force: true })
mkdirSync(vendor, { recursive: true })
for (const [name, { source, packages }] of Object.entries(modules)) {
  const notices = packages.map((name) => {
    const folder = `${root}/node_modules/${name}`
    const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
    copyFileSync(`${folder}/LICENSE`, `${vendor}/LICENSE-${name}.txt`)
    return `${name} ${version}, ${license}: LICENSE-${name}.txt`
  })
  await build({
    stdin: { contents: source, resolveDir: root },
    outfile: `${vendor}/${name}.js`,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    banner: { js: `/* ${notices.join('; ')} */` },
    logLevel: 'warning'
  })
  writeFileSync(`${vendor}/${name}.d.ts`, source)
}
copyFileSync(`${root}/node_modules/uplot/dist/uPlot.min.css`, `${vendor}/uplot.css`)
