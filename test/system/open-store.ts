/** Opens the store at a path, as a start of the embedded engine does, and dies at once: a process for a recorder to watch. */
import { openDatabase } from '../../src/embedded/database.ts'

openDatabase(process.argv[2] ?? '')
process.kill(process.pid, 'SIGKILL')
