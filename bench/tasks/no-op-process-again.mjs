export default {
  type: 'no-op-process-again',
  description: 'Does nothing, in a child process, and may do it again.',
  input: {},
  isolation: 'process',
  onLost: 'requeue',
  run: async () => null
}
