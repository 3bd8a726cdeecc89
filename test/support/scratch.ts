/** Folders that are gone when the test file that made them is over. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []

afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** `what` says in its name what it is for. */
export function newFolder(what: string): string {
  const folder = mkdtempSync(join(tmpdir(), `sallyport-${what}-`))
  made.push(folder)
  return folder
}
