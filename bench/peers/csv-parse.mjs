// What reading two CSV texts costs, and nothing else.
import { readFileSync } from 'node:fs'
import { parse } from 'csv-parse/sync'

process.on('message', ({ bom, stock }) => {
  const texts = [readFileSync(bom, 'utf8'), readFileSync(stock, 'utf8')]
  const startedAt = performance.now()
  for (const text of texts) parse(text)
  process.send({ ms: performance.now() - startedAt })
})
