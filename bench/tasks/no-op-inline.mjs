export default {
  type: 'no-op-inline',
  description: 'Does nothing, on the event loop.',
  input: {},
  isolation: 'inline',
  run: async () => null
}
