/** A process that takes the data folder of its argument, says so, and holds it until it is killed. */
import { lockData } from '../../src/store/lock.ts'

try {
  process.stdout.write(`${lockData(process.argv[2] ?? '').ownerId}\n`)
  setInterval(() => undefined, 60_000)
} catch (thrown) {
  process.stdout.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
}
