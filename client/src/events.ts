/** Reads server-sent events; `read` gets the next bytes, or undefined at the end. `retry:` is yielded by itself. */
export async function* parseEvents(read: () => Promise<Uint8Array | undefined>) {
  const decoder = new TextDecoder()
  let [rest, id, data] = ['', '', '']
  for (let bytes = await read(); bytes !== undefined; bytes = await read()) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      // `s`: JSON has U+2028 and U+2029 as they are, which a dot does not match otherwise.
      const [, field, value = ''] = /^(\w*)(?:: ?(.*?))?\r?$/s.exec(line) ?? []
      if (field === 'id') id = value
      else if (field === 'retry' && /^\d+$/.test(value)) yield { retryMs: Number(value) }
      else if (field === 'data') data += data === '' ? value : `\n${value}`
      // An event counts when its empty line has arrived: what a broken connection leaves is none.
      else if (line.trim() === '' && data !== '') {
        yield { id, data }
        data = ''
      }
    }
  }
}
