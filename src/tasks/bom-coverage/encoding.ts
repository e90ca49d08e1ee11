import { countForeignWords } from './choose-table.ts'
import { say } from './warnings.ts'

// What Windows-1252 has at 80-9F; the five bytes it leaves undefined stay Latin-1.
// TextDecoder('windows-1252') is not used: some releases of Node 20 read these bytes as Latin-1.
const HIGH = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

// Bytes as Latin-1 characters: how they make up a character, which of them this language uses, and what would hardly
// come about by chance. In `telling`, `S` is a sign of the language, `W` a word of it, `x` another character above 7F.
const EVIDENCE = {
  shift_jis: {
    character: /[\x81-\x9f\xe0-\xfc].|./gs,
    sign: /^[\x81-\x83]./s,
    word: /^[\x88-\x98]./s,
    shared: /^$/,
    telling: /S|WW/
  },
  gb18030: {
    character: /[\x81-\xfe](?:[0-9]..|.)|./gs,
    sign: /^[\xa1-\xa9][\xa1-\xfe]$/,
    word: /^[\xb0-\xd7][\xa1-\xfe]$/,
    shared: /^$/,
    telling: /S|WW/
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

/** An encoding that text without a byte order mark may have, when it is not UTF-8. */
export type LegacyEncoding = Guessed | 'windows-1252'

/**
 * Reads bytes that are no Unicode: in the encoding that makes words of the header cells, else in the first whose
 * letters these may be, else as Windows-1252 (rule 1.3). No detector of bytes alone knows what a header cell may say.
 */
export function decodeLegacy(bytes: Buffer): { text: string; encoding: LegacyEncoding; warning?: string } {
  const read = GUESSED.flatMap((encoding) => decodeAs(encoding, bytes))
  const western = { text: decodeWindows1252(bytes), encoding: 'windows-1252' as const }
  const counted = [...read, western].map((one) => ({ one, words: countForeignWords(one.text) }))
  const best = counted.reduce((former, latter) => (latter.words > former.words ? latter : former))
  if (best.words > 0) return best.one

  const latin1 = bytes.toString('latin1')
  const guess = read.find(({ encoding }) => isPlausible(encoding, latin1))
  if (guess) return { ...guess, warning: say('encodingGuessed', guess.encoding) }
  const isDoubtful = /[\x80-\xff]{3}|[\x81\x8d\x8f\x90\x9d]/.test(latin1)
  return isDoubtful ? { ...western, warning: say('encodingDoubtful') } : western
}

function decodeAs(encoding: Guessed, bytes: Buffer): { text: string; encoding: Guessed }[] {
  try {
    return [
      { text: new TextDecoder(encoding, { fatal: encoding !== 'windows-1251' }).decode(bytes), encoding }
    ]
  } catch {
    return []
  }
}

function decodeWindows1252(bytes: Buffer) {
  return bytes.toString('latin1').replace(/[\x80-\x9f]/g, (char) => HIGH.charAt(char.charCodeAt(0) - 0x80))
}

function isPlausible(encoding: Guessed, latin1: string) {
  const { character, sign, word, shared, telling } = EVIDENCE[encoding]
  const letterOf = (char: string) =>
    sign.test(char) ? 'S' : word.test(char) ? 'W' : shared.test(char) ? '' : 'x'
  const letters = latin1.replace(character, (char) => (char < '\x80' ? ' ' : letterOf(char)))
  const own = letters.match(/[SW]/g)?.length ?? 0
  return telling.test(letters) && own >= 0.8 * (own + (letters.match(/x/g)?.length ?? 0))
}
