export default {
  type: 'hold',
  description: 'Runs until it is aborted.',
  input: {},
  isolation: 'inline',
  onShutdown: 'requeue',
  run: (_, { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}
