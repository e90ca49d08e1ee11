type Write = (fields: object | string, message?: string) => void

/** The part of pino's logger that the core uses. */
export interface Log {
  debug: Write
  info: Write
  warn: Write
  error: Write
  child(bindings: object): Log
}

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
