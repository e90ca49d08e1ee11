import { readFileSync } from 'node:fs'
import t from 'tap'
import { documents, render } from '../scripts/render-docs.ts'

for (const name of documents) {
  t.test(`${name} is what the code says (else: npm run docs)`, async (t) => {
    t.equal(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'), await render(name))
  })
}
