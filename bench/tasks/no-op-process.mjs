export default {
  type: 'no-op-process',
  description: 'Does nothing, in a child process.',
  input: {},
  isolation: 'process',
  run: async () => null
}
