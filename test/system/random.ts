/** Numbers in [0, 1) that a seed decides, so that a failure can be played again: `LASTCALL_SEED=… npx tap …`. */
export function seededRandom(seed: number) {
  let state = seed >>> 0
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const pick = <T>(values: readonly T[]): T => {
    const value = values[below(values.length)]
    if (value === undefined) throw new Error('nothing to pick from')
    return value
  }
  return { next, below, pick }
}

/** The seed to use: the one to play again, else a new one. */
export function chooseSeed(): number {
  const given = process.env.LASTCALL_SEED
  return given ? Number(given) : Math.floor(Math.random() * 2 ** 32)
}
