import t from 'tap'
import type { Finding } from '../../../../src/tasks/link-check/fetch-link.ts'
import { Findings } from '../../../../src/tasks/link-check/findings.ts'
import { fitResult } from '../../../../src/tasks/link-check/fit-result.ts'
import { listLinks } from '../../../../src/tasks/link-check/links.ts'
import { buildResult } from '../../../../src/tasks/link-check/result.ts'

const answered: Finding = {
  status: 200,
  finalUrl: 'http://a.test/new',
  redirects: 1,
  contentType: 'application/pdf',
  bytes: 123_456,
  milliseconds: 321
}
const plain: Finding = { ...answered, finalUrl: 'http://a.test/0', redirects: 0, contentType: null }
const failed: Finding = {
  ...plain,
  status: null,
  bytes: null,
  error: { code: 'CONNECTION_LOST', message: 'other side closed' }
}

/** Findings about `count` links, all the same. */
function findAll(count: number, finding: Finding, urlOf = (n: number) => `http://a.test/${n}`) {
  const urls = Array.from({ length: count }, (_, n) => urlOf(n))
  const { links, linkOf } = listLinks(urls)
  const findings = new Findings(undefined)
  for (const link of links) findings.add(link, finding)
  return { urls, links, linkOf, findings }
}

const afterCheckpoint = (findings: Findings) => new Findings(JSON.parse(JSON.stringify(findings.state)))
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))

t.test('a finding comes out of a checkpoint as it went in', async (t) => {
  for (const finding of [answered, plain, failed]) {
    const { links, findings } = findAll(1, finding)
    for (const link of links) t.strictSame(afterCheckpoint(findings).get(link), finding)
  }
})

t.test(
  'a checkpoint does not keep the credentials of a link, and a finding does not show them',
  async (t) => {
    const { links, findings } = findAll(
      1,
      { ...plain, finalUrl: 'http://a.test/' },
      () => 'http://me:secret@a.test/'
    )
    t.notMatch(JSON.stringify(findings.state), /secret/)
    for (const link of links) t.equal(findings.get(link)?.finalUrl, 'http://a.test/')
  }
)

t.test('the checkpoint of 5,000 usual links is small', async (t) => {
  const { findings } = findAll(5000, { ...plain, contentType: 'application/pdf' })
  t.ok(bytesOf(findings.state) < 300_000, `${bytesOf(findings.state)} bytes`)
})

t.test('what a server makes up cannot blow a checkpoint up', async (t) => {
  const long = 'x'.repeat(16_000)
  const worst: Finding = {
    ...answered,
    finalUrl: `http://a.test/${long}`,
    contentType: `\u0001é"\\${long}`,
    error: { code: 'TOO_MANY_REDIRECTS', message: long }
  }
  const { urls, linkOf, findings } = findAll(5000, worst)
  t.ok(bytesOf(findings.state) < 2_000_000, `${bytesOf(findings.state)} bytes`)

  const result = fitResult(buildResult(urls, linkOf, afterCheckpoint(findings)))
  t.ok(bytesOf(result) <= 1024 * 1024, `${bytesOf(result)} bytes`)
  t.equal(result.links.length, 5000)
  t.match(result.totals, { urls: 5000, ok: 0, failed: 5000, failures: { TOO_MANY_REDIRECTS: 5000 } })
  t.match(result.warnings, [/larger than 1 MiB/])
  t.strictSame(result.links[4999], {
    ok: false,
    status: 200,
    redirects: 1,
    bytes: 123_456,
    milliseconds: 321,
    error: { code: 'TOO_MANY_REDIRECTS' }
  })
})

t.test('a result that fits is complete', async (t) => {
  const { urls, linkOf, findings } = findAll(3000, answered)
  const { links, totals, warnings } = fitResult(buildResult(urls, linkOf, findings))
  t.strictSame(links[2999], { url: 'http://a.test/2999', ok: true, ...answered })
  t.strictSame(totals, { urls: 3000, ok: 3000, failed: 0, redirected: 3000, failures: {} })
  t.strictSame(warnings, [])
})

const tail = 'd'.repeat(50)

t.test('5,000 links of usual length fit without the final addresses that say nothing new', async (t) => {
  const { urls, linkOf, findings } = findAll(5000, plain, (n) => `http://www.vendor.test/${tail}/${n}`)
  const result = fitResult(buildResult(urls, linkOf, findings))
  t.ok(bytesOf(result) <= 1024 * 1024)
  t.match(result.warnings, [/not redirected come without finalUrl$/])
  const { finalUrl, ...rest } = plain
  t.strictSame(result.links[7], { url: urls[7], ok: true, ...rest })
})

t.test('links of 2,048 characters fit without being repeated, and the result says so', async (t) => {
  const long = 'd'.repeat(2000)
  const { urls, linkOf, findings } = findAll(5000, plain, (n) => `http://a.test/${long}${n}`)
  const result = fitResult(buildResult(urls, linkOf, findings))
  t.ok(bytesOf(result) <= 1024 * 1024)
  t.match(result.warnings, [/in the order of the input without url/])
  const { finalUrl, ...rest } = plain
  t.strictSame(result.links[7], { ok: true, ...rest })
})

t.test('every entry of the input is told about', async (t) => {
  const urls = ['http://a.test/0', 'http://', 'http://a.test/0#again', 'http://b.test/']
  const { links, linkOf } = listLinks(urls)
  const findings = new Findings(undefined)
  const [first, second] = links
  if (!first || !second) throw new Error('there are two links')
  findings.add(first, plain)
  findings.add(second, { ...plain, status: 404 })
  const { links: results, totals } = buildResult(urls, linkOf, findings)
  t.match(results, [
    { url: urls[0], ok: true },
    { url: 'http://', ok: false, status: null, finalUrl: null, error: { code: 'URL_INVALID' } },
    { url: urls[2], ok: true, finalUrl: 'http://a.test/0' },
    { url: urls[3], ok: false, status: 404 }
  ])
  t.strictSame(totals, { urls: 4, ok: 2, failed: 2, redirected: 0, failures: { URL_INVALID: 1, 404: 1 } })
})
