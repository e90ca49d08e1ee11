import type { Contender, Row, Target } from '../measure.ts'
import { type Program, startLastcall, startPeer } from '../program.ts'

function contender(
  name: string,
  start: () => Promise<Program>,
  targets: Record<string, Target> = {}
): Contender {
  return {
    name,
    targets,
    async setUp() {
      return {
        async measure() {
          const program = await start()
          const sample = { 'spawn to ready, ms': program.startMs, 'idle MiB': program.memoryMiB() }
          return { ...sample, 'SIGTERM to exit, ms': await program.stop() }
        },
        close: async () => {}
      }
    }
  }
}

export const startStop: Row = {
  title: 'start and stop, idle',
  rounds: { quick: 3, full: 9 },
  contenders: [
    // As it comes: types of one's own add the meta-schema that they are checked with.
    contender('lastcall', () => startLastcall({ TASKS_DIR: '' })),
    contender('Fastify and close-with-grace', () => startPeer('minimal'), {
      'spawn to ready, ms': { max: 1.6 },
      'idle MiB': { max: 1.5 },
      'SIGTERM to exit, ms': { max: 2 }
    })
  ]
}
