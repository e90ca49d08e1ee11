/** Whether the long forms of the tests are wanted: `npm run soak`. */
export const soak = process.env.LASTCALL_SOAK === '1'
