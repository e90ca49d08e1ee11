/** Clocks that a test may set: libfaketime, which stands between the program and the system. */
import { existsSync } from 'node:fs'

// Where Debian's package puts it, by architecture.
const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file))

/** Options of a test that needs it, and the environment of the program whose clocks are fake. */
export const fakeTime = {
  skip: library || process.env.CI ? false : 'libfaketime is not installed',
  env: { LD_PRELOAD: library ?? '' }
} as const
