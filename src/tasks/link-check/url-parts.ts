/** The host whose turn a request waits for; names with and without the root's dot are one. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, '')
}

export function withoutCredentials(url: URL): string {
  const copy = new URL(url)
  copy.username = ''
  copy.password = ''
  return copy.href
}

/** `user:password` for an address: its own, or its link's as long as it is on the same origin; else empty. */
export function credentialsFor(url: URL, link: URL): string {
  const { username, password } = url.username === '' && url.origin === link.origin ? link : url
  return username === '' && password === '' ? '' : `${decode(username)}:${decode(password)}`
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
