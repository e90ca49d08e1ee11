export default {
  type: 'spin',
  description: 'Spins until its process is killed.',
  input: {},
  run() {
    for (;;);
  }
}
