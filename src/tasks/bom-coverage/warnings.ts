import { format } from 'node:util'
import { clip } from './cell.ts'

/** `row` is the physical line, 1 for the first; without it, the warning is about the whole file or result. */
export type Warning = { source: 'bom' | 'stock' | 'result'; row?: number; message: string }

/** Every warning there is; docs/bom-coverage.md says of each what to do about it. */
export const warningTexts = {
  encodingGuessed: 'the encoding is a guess: %s',
  encodingDoubtful: 'the encoding is doubtful: it was read as windows-1252 for want of a better one',
  unclosedQuote: 'a quoted cell is never closed, so it was read to the end of the file',
  extraCells: 'the row has cells past the last column of the header; they were ignored',
  partLost: 'it names no designator and no quantity above 0, so it is no part line (%s)',
  tableReplaced: 'the table under it names every designator again and replaces the %d part lines before',

  designatorUnclear: 'the designator %s may stand for several parts, and counts as one',
  designatorRepeated: 'named on an earlier line too: %s',
  commentSign: 'the row begins like a comment, but names parts and was read as a part line',
  quantityUnclear: 'the quantity %s is no number: the designators were counted',
  quantityDiffers: 'the quantity is %d, the designators named are %d',
  markerUnclear: '%s in the column %s says neither yes nor no: the part is placed',
  someNotPlaced: '%d of the %d designators are marked as not placed',
  dnpElsewhere: 'the words %s do not stand where they would mark the line: the part is placed',
  severalPackages: 'the package %s names several; the line can only be matched by its manufacturer code',
  numberDestroyed: '%s looks like a number that a spreadsheet has rounded',

  codeUnknown: 'the stock has no such manufacturer code; matched by value and package',
  notMatchable: 'the line has no manufacturer code and no %s, so it cannot be matched',
  ratingUnknown: 'the stock has this value and package, but does not say %s',

  stockEmpty: 'The stock list is empty, so the lines are unknown',
  stockRowWide: 'it has %d cells, the header %d, so it was left out',
  stockRowShort: 'it has %d cells and ends before the quantity, so it was left out',
  stockQuantity: 'the quantity %s is not a number of 0 or more, so the row was left out',
  stockRowNameless: 'it has no manufacturer code and no value, so no BOM line can use it',

  shortened: 'The full result is larger than 1 MiB: the lines come with %s only, the shopping list with %s',
  warningsLeftOut:
    'The warnings of %d lines are left out, the first on row %d; send the BOM in parts to see them',
  cut: 'The result is cut to 1 MiB: it has %d of %d entries of %s',
  unlisted: '%d more warnings on rows of the %s, up to row %d, are not listed'
} as const

/** The text of a warning, with what it is about. */
export function say(warning: keyof typeof warningTexts, ...about: (string | number)[]) {
  return format(warningTexts[warning], ...about)
}

export function quote(cell: string) {
  return JSON.stringify(clip(cell, 60))
}

const LISTED = 100

/** Collects what could not be understood in one file: the first hundred rows one by one, the others counted. */
export function collectWarnings(source: Warning['source'], file: string) {
  const listed: Warning[] = []
  let unlisted = 0
  let last = 0

  return {
    add(row: number, message: string) {
      if (listed.length < LISTED) {
        listed.push({ source, row, message: `Row ${row} of the ${file}: ${message}` })
      } else {
        unlisted++
        last = row
      }
    },
    list(): Warning[] {
      if (unlisted === 0) return listed
      return [...listed, { source, message: say('unlisted', unlisted, file, last) }]
    }
  }
}
