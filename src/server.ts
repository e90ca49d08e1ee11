// Loaded first and alone, so that a signal finds its handler a few milliseconds after the process was started.
import closeWithGrace from 'close-with-grace'

// Until the store is opened there is nothing to lose.
const exitAtOnce = () => process.exit(0)
process.on('SIGTERM', exitAtOnce).on('SIGINT', exitAtOnce)

const { default: pino } = await import('pino')
const { readSettings } = await import('./config.ts')
const { buildApp } = await import('./app.ts')
const { StartError } = await import('./errors.ts')

// What closing may take beyond every configured budget, before close-with-grace ends the process itself.
const marginMs = 1_900

let log = pino({ base: null })
try {
  const settings = readSettings(process.env)
  log = pino(
    { level: settings.LOG_LEVEL, base: null },
    process.stdout.isTTY ? await prettyStream() : undefined
  )
  const app = await buildApp({ settings, logger: log })
  const listening = app.listen({ host: settings.HOST, port: settings.PORT })

  const budget =
    settings.SHUTDOWN_DELAY +
    settings.GRACEFUL_SHUTDOWN_TIMEOUT +
    settings.CANCEL_GRACE +
    settings.SCRAPE_LINGER
  closeWithGrace({ delay: budget * 1000 + marginMs, logger: log }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'a bug, leaving')
    app.shutdown.announce(signal ?? 'close')
    // close() while listen() is under way would leave the one waiting for the other.
    await listening.catch(() => {})
    await app.close()
    const exitCode = app.shutdown.settled && !err ? 0 : 1
    log.info({ exitCode }, 'bye')
    process.exit(exitCode)
  })
  process.off('SIGTERM', exitAtOnce).off('SIGINT', exitAtOnce)

  await listening
} catch (error) {
  if (error instanceof StartError || isListenError(error)) log.fatal(error.message)
  else log.fatal({ err: error }, 'cannot start')
  process.exit(1)
}

function isListenError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'syscall' in error &&
    (error.syscall === 'listen' || error.syscall === 'getaddrinfo')
  )
}

/** For a person at a terminal; where it is not installed, as in an image, the log stays JSON. */
async function prettyStream() {
  try {
    const { default: pretty } = await import('pino-pretty')
    return pretty({ sync: true, singleLine: true, ignore: 'reqId' })
  } catch {
    return undefined
  }
}
