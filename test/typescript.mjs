// TypeScript for this thread: tsx registers itself in the main thread only, and worker threads inherit no hooks.
import { register as registerRequire } from 'tsx/cjs/api'
import { register } from 'tsx/esm/api'

register()
registerRequire()
