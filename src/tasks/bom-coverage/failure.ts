/** Why this task fails: a text no BOM was found in, one that is too large, bad base64, a stock list without columns. */
export type FailureCode = 'BOM_UNREADABLE' | 'BOM_TOO_LARGE' | 'BOM_BASE64_INVALID' | 'STOCK_UNREADABLE'

/** An error whose `code` becomes the task's error code. */
export function failure(code: FailureCode, message: string) {
  return Object.assign(new Error(message), { code })
}
