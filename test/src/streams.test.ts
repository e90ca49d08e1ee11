import t from 'tap'
import { Streams } from '../../src/streams.ts'
import { heldTask } from '../helper.ts'
import { startService } from '../start-task-service.ts'

t.test(
  'the end of all streams leaves those of a task that has just ended time for its final event',
  async (t) => {
    const held = heldTask()
    const { service, executor, metrics } = await startService(t, [held.type])
    const streams = new Streams(metrics, service)
    const { taskId } = await service.startTask({ type: 'held', input: 1 })
    const [ofTask, ofAnother, ofAll] = [new AbortController(), new AbortController(), new AbortController()]
    streams.add(ofTask, taskId)
    streams.add(ofAnother, 'another')
    streams.add(ofAll, undefined)
    t.equal(streams.count, 3)

    ;(await held.started()).release()
    await executor.idle()
    const ended = streams.end()
    t.strictSame(
      [ofTask, ofAnother, ofAll].map(({ signal }) => signal.reason),
      [undefined, 'ended', 'ended']
    )
    streams.delete(ofTask)
    await ended
    t.notOk(ofTask.signal.aborted, 'it has ended by itself')

    const late = new AbortController()
    streams.add(late, taskId)
    t.equal(late.signal.reason, 'ended', 'a stream that is opened then is ended at once')
  }
)
