/** `row` is the physical line, 1 for the first; without it, the warning is about the whole file or result. */
export interface Warning {
  source: 'bom' | 'stock' | 'result'
  row?: number
  message: string
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
      const message = `${unlisted} more warnings on rows of the ${file}, up to row ${last}, are not listed`
      return [...listed, { source, message }]
    }
  }
}
