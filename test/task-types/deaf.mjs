export default {
  type: 'deaf',
  description: 'Ignores its signal and never ends.',
  input: {},
  isolation: 'inline',
  run: () => new Promise(() => {})
}
