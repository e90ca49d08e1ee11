// Runs before the tests: those of whole processes start what an image would, not the sources.
import { execFileSync } from 'node:child_process'

execFileSync('npm', ['run', '--silent', 'build'], {
  stdio: 'inherit',
  env: { ...process.env, NODE_OPTIONS: '' } // tap's own, which tsc does not survive
})
