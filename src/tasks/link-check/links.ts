import { hostOf } from './url-parts.ts'

/** One address to ask, for one or more entries of the input. */
export interface Link {
  /** Stable for the same input, so that a checkpoint can refer to it. */
  index: number
  url: URL
  /** How many entries of the input it answers. */
  entries: number
}

/** The links of an input, and for each of its entries the link that answers it; none if it is not a URL. */
export function listLinks(urls: readonly string[]) {
  const links = new Map<string, Link>()
  const linkOf = urls.map((text) => {
    if (!URL.canParse(text)) return undefined
    const url = new URL(text)
    url.hash = ''
    const link = links.get(url.href) ?? { index: links.size, url, entries: 0 }
    links.set(url.href, link)
    link.entries++
    return link
  })
  return { links: [...links.values()], linkOf }
}

/** One lane per host, each to be asked one link after the other. */
export function lanesOf(links: readonly Link[]): Link[][] {
  const lanes = new Map<string, Link[]>()
  for (const link of links) {
    const host = hostOf(link.url)
    const lane = lanes.get(host)
    if (lane) lane.push(link)
    else lanes.set(host, [link])
  }
  return [...lanes.values()]
}
