import { isAscii, isUtf8 } from 'node:buffer'
import { decodeLegacy, type LegacyEncoding } from './encoding.ts'
import { failure } from './failure.ts'
import { refuseWorkbook } from './refusal.ts'

export type Encoding = 'ascii' | 'utf-8' | 'utf-8-bom' | 'utf-16le-bom' | 'utf-16be-bom' | LegacyEncoding

/** A file's characters, without its byte order mark. */
export interface Decoded {
  text: string
  encoding: Encoding
  /** Says that the encoding is a guess (rule 1.3). */
  warning?: string
}

/**
 * Reads a file's bytes as text (section 1). Bytes that fit no character become U+FFFD.
 * @throws BOM_UNREADABLE when they are those of a workbook
 */
export function decodeBytes(bytes: Buffer): Decoded {
  refuseWorkbook(bytes.toString('latin1', 0, 8))
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    return { text: bytes.toString('utf8', 3), encoding: 'utf-8-bom' }
  }
  // TextDecoder drops the mark, and turns an odd last byte into U+FFFD instead of losing it.
  if (bytes[0] === 0xff && bytes[1] === 0xfe) {
    return { text: new TextDecoder('utf-16le').decode(bytes), encoding: 'utf-16le-bom' }
  }
  if (bytes[0] === 0xfe && bytes[1] === 0xff) {
    return { text: new TextDecoder('utf-16be').decode(bytes), encoding: 'utf-16be-bom' }
  }
  if (isAscii(bytes)) return { text: bytes.toString('latin1'), encoding: 'ascii' }
  if (isUtf8(bytes)) return { text: bytes.toString('utf8'), encoding: 'utf-8' }
  return decodeLegacy(bytes)
}

/** The same for a file that came as text: what its encoding would be, had it been saved as UTF-8. */
export function decodeText(text: string): Decoded {
  refuseWorkbook(text)
  if (text.startsWith('\ufeff')) return { text: text.slice(1), encoding: 'utf-8-bom' }
  return { text, encoding: /[^\0-\x7f]/.test(text) ? 'utf-8' : 'ascii' }
}

/** @throws BOM_BASE64_INVALID */
export function decodeBase64(base64: string): Buffer {
  const digits = base64.replace(/[\r\n\t ]+/g, '').replace(/={1,2}$/, '')
  const wrong = /[^A-Za-z0-9+/]/.exec(digits)
  if (wrong) {
    const hint = digits.startsWith('data:') ? '; leave out what a data: address has before its comma' : ''
    throw failure(
      'BOM_BASE64_INVALID',
      `bomBase64 is not base64: it holds ${JSON.stringify(wrong[0])}${hint}`
    )
  }
  if (digits.length % 4 === 1) throw failure('BOM_BASE64_INVALID', 'bomBase64 is not base64: it is cut short')
  return Buffer.from(digits, 'base64')
}
