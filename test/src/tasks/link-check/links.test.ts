import t from 'tap'
import { lanesOf, listLinks } from '../../../../src/tasks/link-check/links.ts'

t.test('addresses that are asked the same way are one link', async (t) => {
  const { links, linkOf } = listLinks([
    'http://a.test',
    'http://A.test:80/#top',
    'http://b.test/',
    'http://a.test/'
  ])
  t.match(links, [
    { index: 0, url: { href: 'http://a.test/' }, entries: 3 },
    { index: 1, url: { href: 'http://b.test/' }, entries: 1 }
  ])
  t.strictSame(
    linkOf.map((link) => link?.index),
    [0, 0, 1, 0]
  )
})

t.test('what is not a URL is no link', async (t) => {
  const { links, linkOf } = listLinks(['http://', 'http://a.test:99999/', 'http://a b/', 'https://[::1/'])
  t.strictSame(links, [])
  t.strictSame(linkOf, [undefined, undefined, undefined, undefined])
})

t.test('each host has one lane, whatever the port and scheme', async (t) => {
  const { links } = listLinks([
    'http://a.test/1',
    'http://b.test/',
    'https://a.test/2',
    'http://a.test.:81/3'
  ])
  t.strictSame(
    lanesOf(links).map((lane) => lane.map(({ index }) => index)),
    [[0, 2, 3], [1]]
  )
})
