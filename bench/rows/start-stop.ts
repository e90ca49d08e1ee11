import type { Contender, Row } from '../measure.ts'
import { type Program, startLastcall, startPeer } from '../program.ts'

function contender(name: string, start: () => Promise<Program>): Contender {
  return {
    name,
    async setUp() {
      return {
        async measure() {
          const program = await start()
          return { 'spawn to ready, ms': program.startMs, 'SIGTERM to exit, ms': await program.stop() }
        },
        close: async () => {}
      }
    }
  }
}

export const startStop: Row = {
  title: 'start and stop, idle',
  contenders: [
    contender('lastcall', () => startLastcall()),
    contender('Fastify and close-with-grace', () => startPeer('minimal'))
  ]
}
