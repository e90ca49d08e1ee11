/** Refuses to run on a Node that is too old, before anything is loaded that needs a newer one. */
const oldest = [20, 20, 2] // as in package.json
const running = process.versions.node.split('.').map(Number)
const different = oldest.findIndex((part, n) => part !== running[n])
if (different !== -1 && Number(running[different]) < Number(oldest[different])) {
  console.error(`lastcall needs Node ${oldest.join('.')} or newer, this is ${process.versions.node}`)
  process.exit(1)
}
