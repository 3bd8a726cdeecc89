import { existsSync, mkdtempSync, rmSync } from 'node:fs'

/** Makes the folder in memory that all tests of a run share, and removes it when they are over: their processes are killed, and remove nothing. */
export default function setup(): (() => void) | undefined {
  if (!existsSync('/dev/shm')) return undefined
  const folder = mkdtempSync('/dev/shm/sallyport-tests-')
  process.env['SALLYPORT_TEST_MEMORY'] = folder
  return () => rmSync(folder, { recursive: true, force: true })
}
