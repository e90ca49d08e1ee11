import { isAscii, isUtf8 } from 'node:buffer'
import { countForeignWords } from './choose-table.ts'
import { failure } from './failure.ts'
import { refuseWorkbook } from './refusal.ts'
import { say } from './warnings.ts'

/** A file's characters, without its byte order mark. */
export interface Decoded {
  text: string
  encoding: 'ascii' | 'utf-8' | 'utf-8-bom' | 'utf-16le-bom' | 'utf-16be-bom' | 'windows-1252' | Guessed
  /** Says that the encoding is a guess (rule 1.3). */
  warning?: string
}

/** Reads a file's bytes (section 1); those that fit no character become U+FFFD. @throws BOM_UNREADABLE */
export function decodeBytes(bytes: Buffer): Decoded {
  const beginning = bytes.toString('latin1', 0, 8)
  refuseWorkbook(beginning)
  if (beginning.startsWith('\xef\xbb\xbf')) return { text: bytes.toString('utf8', 3), encoding: 'utf-8-bom' }
  // TextDecoder drops the mark, and turns an odd last byte into U+FFFD instead of losing it.
  for (const [mark, encoding] of [
    ['\xff\xfe', 'utf-16le'],
    ['\xfe\xff', 'utf-16be']
  ] as const) {
    if (beginning.startsWith(mark))
      return { text: new TextDecoder(encoding).decode(bytes), encoding: `${encoding}-bom` }
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
  const hint = digits.startsWith('data:') ? '; leave out what a data: address has before its comma' : ''
  if (wrong)
    throw failure(
      'BOM_BASE64_INVALID',
      `bomBase64 is not base64: it holds ${JSON.stringify(wrong[0])}${hint}`
    )
  if (digits.length % 4 === 1) throw failure('BOM_BASE64_INVALID', 'bomBase64 is not base64: it is cut short')
  return Buffer.from(digits, 'base64')
}

// What Windows-1252 has at 80-9F; the five bytes it leaves undefined stay Latin-1.
// TextDecoder('windows-1252') is not used: some releases of Node 20 read these bytes as Latin-1.
const HIGH = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

// Bytes as Latin-1 characters: how they make up a character, which of them this language uses, and what would hardly
// come about by chance. In `telling`, `S` is a sign of the language, `W` a word of it, `x` another character above 7F.
const ASIAN = { shared: /^$/, telling: /S|WW/ }
const EVIDENCE = {
  shift_jis: {
    ...ASIAN,
    character: /[\x81-\x9f\xe0-\xfc].|./gs,
    sign: /^[\x81-\x83]./s,
    word: /^[\x88-\x98]./s
  },
  gb18030: {
    ...ASIAN,
    character: /[\x81-\xfe](?:[0-9]..|.)|./gs,
    sign: /^[\xa1-\xa9][\xa1-\xfe]$/,
    word: /^[\xb0-\xd7][\xa1-\xfe]$/
  },
  'windows-1251': {
    character: /./gs,
    sign: /^$/,
    word: /[\xa8\xb8\xc0-\xff]/,
    // Dashes, quotes, degrees and the like are those of Western texts too.
    shared: /[\x84-\x87\x89\x8b\x91-\x97\x99\x9b\xa0\xa9\xab\xae\xb0\xb1\xb5-\xb7\xb9\xbb]/,
    telling: /WWW/
  }
}
type Guessed = keyof typeof EVIDENCE
const GUESSED: Guessed[] = ['shift_jis', 'gb18030', 'windows-1251']

/**
 * Reads bytes that are no Unicode: in the encoding that makes words of the header cells, else in the first whose
 * letters these may be, else as Windows-1252 (rule 1.3). No detector of bytes alone knows what a header cell may say.
 */
function decodeLegacy(bytes: Buffer): Decoded {
  const latin1 = bytes.toString('latin1')
  const read = GUESSED.flatMap((encoding) => decodeAs(encoding, bytes))
  const western: Decoded = {
    text: latin1.replace(/[\x80-\x9f]/g, (char) => HIGH.charAt(char.charCodeAt(0) - 0x80)),
    encoding: 'windows-1252'
  }
  const counted = [...read, western].map((one) => ({ one, words: countForeignWords(one.text) }))
  const best = counted.reduce((former, latter) => (latter.words > former.words ? latter : former))
  if (best.words > 0) return best.one

  const guess = read.find(({ encoding }) => isPlausible(encoding, latin1))
  if (guess) return { ...guess, warning: say('encodingGuessed', guess.encoding) }
  const isDoubtful = /[\x80-\xff]{3}|[\x81\x8d\x8f\x90\x9d]/.test(latin1)
  return isDoubtful ? { ...western, warning: say('encodingDoubtful') } : western
}

function decodeAs(encoding: Guessed, bytes: Buffer) {
  try {
    const fatal = encoding !== 'windows-1251'
    return [{ text: new TextDecoder(encoding, { fatal }).decode(bytes), encoding }]
  } catch {
    return []
  }
}

function isPlausible(encoding: Guessed, latin1: string) {
  const { character, sign, word, shared, telling } = EVIDENCE[encoding]
  const letterOf = (char: string) =>
    sign.test(char) ? 'S' : word.test(char) ? 'W' : shared.test(char) ? '' : 'x'
  const letters = latin1.replace(character, (char) => (char < '\x80' ? ' ' : letterOf(char)))
  const own = letters.match(/[SW]/g)?.length ?? 0
  return telling.test(letters) && own >= 0.8 * (own + (letters.match(/x/g)?.length ?? 0))
}
