export default {
  type: 'quick',
  description: 'Ends at once.',
  input: {},
  isolation: 'inline',
  run: async ({ n }) => n
}
