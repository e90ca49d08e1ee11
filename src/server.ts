import './node-version.ts'
// Loaded first and alone, so that signal handlers are in place a few milliseconds after the process started.
import closeWithGrace from 'close-with-grace'
import type { Settings } from './config.ts'

// Before the store is open, there is nothing to lose.
const exitAtOnce = () => process.exit(0)
process.on('SIGTERM', exitAtOnce).on('SIGINT', exitAtOnce)

const { default: pino } = await import('pino')
const { readSettings, shutdownBudgetMs } = await import('./config.ts')
const { version } = await import('./version.ts')
const { buildApp } = await import('./app.ts')
const { explainStartError } = await import('./start-error.ts')
const { LogDestination } = await import('./log-destination.ts')
const { logPrintedLines } = await import('./printed-lines.ts')
const { watchUncaughtErrors } = await import('./uncaught-errors.ts')

// How long a slow reader of the log may delay the exit.
const flushMs = 500

const destination = new LogDestination()
const exit = async (code: number) => {
  await destination.flush(flushMs)
  process.exit(code)
}
let log = pino({ base: null }, destination)
try {
  const settings = readSettings(process.env)
  log = pino(
    { level: settings.LOG_LEVEL, base: null },
    process.stdout.isTTY ? await prettyStream() : destination
  )
  logPrintedLines(log)
  const app = await buildApp({ settings, logger: log })
  app.taskMetrics.countLostLines(() => destination.lost)
  const listening = app.listen({ host: settings.HOST, port: settings.PORT })

  let crashed = false
  let shutdown: Promise<void> | undefined
  const shutDown = async (reason: string) => {
    app.shutdown.requestExit(reason)
    // close() during listen() would deadlock.
    await listening.catch(() => {})
    await app.close().catch((err) => app.shutdown.failed(err, 'closing'))
    const exitCode = app.shutdown.succeeded && !crashed ? 0 : 1
    log.info({ exitCode }, 'shutdown complete')
    await exit(exitCode)
  }
  // The last resort, shortly before Kubernetes would kill the process.
  const delay = shutdownBudgetMs(settings) - flushMs
  closeWithGrace(
    {
      delay,
      // An uncaught error must not cut a drain short.
      skip: ['uncaughtException', 'unhandledRejection'],
      logger: log
    },
    async ({ signal }) => {
      if (signal === 'SIGINT') log.info('shutting down; press Ctrl-C again to exit at once')
      shutdown ??= shutDown(signal ?? 'close')
      await shutdown
    }
  )
  process.off('SIGTERM', exitAtOnce).off('SIGINT', exitAtOnce)
  watchUncaughtErrors({
    log,
    count: () => app.taskMetrics.uncaughtErrors.inc(),
    onCrash: () => {
      if (app.shutdown.exiting) return
      crashed = true
      log.fatal('shutting down after an uncaught exception')
      // Not by close-with-grace: it would take the first signal after that for the second one.
      setTimeout(() => process.exit(1), delay).unref()
      shutdown ??= shutDown('crash')
    }
  })

  await listening
  log.info(describeStart(app, settings), `lastcall ${version} is ready`)
} catch (error) {
  const reason = explainStartError(error)
  if (reason === undefined) log.fatal({ err: error }, 'cannot start')
  else log.fatal(reason)
  await exit(1)
}

/** What the first log line of a running service says: its addresses, and who may use them. */
function describeStart({ listeningOrigin }: { listeningOrigin: string }, settings: Settings) {
  // A browser cannot open the wildcard address.
  const origin = listeningOrigin.replace(/0\.0\.0\.0|\[::\]/, 'localhost')
  return {
    api: `${origin}/api`,
    docs: `${origin}/docs`,
    ...(settings.UI_ENABLED && { ui: `${origin}/ui` }),
    access: settings.API_TOKENS === undefined ? 'open to everyone who reaches it' : 'with one of API_TOKENS',
    admin: settings.ADMIN_TOKEN === undefined ? 'off' : 'with ADMIN_TOKEN'
  }
}

/** For a person at a terminal. Where pino-pretty is not installed, as in an image, the log stays JSON. */
async function prettyStream() {
  try {
    const { default: pretty } = await import('pino-pretty')
    return pretty({ sync: true, singleLine: true, ignore: 'reqId' })
  } catch {
    return destination
  }
}
