export default {
  type: 'spin',
  description: 'Keeps its process busy until the process ends.',
  input: {},
  timeoutSeconds: 100_000,
  run() {
    for (;;);
  }
}
