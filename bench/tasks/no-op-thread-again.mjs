export default {
  type: 'no-op-thread-again',
  description: 'Does nothing, in a thread, and may do it again.',
  input: {},
  isolation: 'thread',
  onLost: 'requeue',
  run: async () => null
}
