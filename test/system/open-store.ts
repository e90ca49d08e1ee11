/** Opens the store at a path, as a start of the embedded engine does, and dies at once: a process for a recorder to watch. */
import { checkDatabase, openDatabase } from '../../src/embedded/database.ts'

const path = process.argv[2] ?? ''
checkDatabase(path)
openDatabase(path)
process.kill(process.pid, 'SIGKILL')
