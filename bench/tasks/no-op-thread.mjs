export default {
  type: 'no-op-thread',
  description: 'Does nothing, in a thread.',
  input: {},
  isolation: 'thread',
  run: async () => null
}
