export default {
  type: 'hold',
  description: 'Runs until it is aborted.',
  input: {},
  isolation: 'inline',
  timeoutSeconds: 100_000,
  run: (_input, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
}
