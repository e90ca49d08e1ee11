import { LinkError } from './link-error.ts'

/**
 * Does work under a signal that is aborted with TIMEOUT when the time is over, with the outer signal's reason when that
 * is aborted, and in any case when the work is over.
 */
export async function withinTime<Result>(
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>
): Promise<Result> {
  outer.throwIfAborted()
  const controller = new AbortController()
  const stop = () => controller.abort(outer.reason)
  const timer = setTimeout(() => controller.abort(new LinkError('TIMEOUT', 'It took too long')), ms)
  outer.addEventListener('abort', stop)
  try {
    return await work(controller.signal)
  } catch (error) {
    // Whatever it broke, the abort is why.
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    clearTimeout(timer)
    outer.removeEventListener('abort', stop)
    controller.abort()
  }
}
