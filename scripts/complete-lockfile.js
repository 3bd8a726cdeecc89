// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry that it asked
// does not carry them. Without the entries `npm ci` refuses the very lock that npm wrote. Run it after each change of
// dependencies: `node scripts/complete-lockfile.js`.
//
// It also keeps npm 10, which does not know `allowScripts`, from compiling what comes with a binary: where a package has a
// binding.gyp and no script of its own npm builds it, and without Python and a compiler that ends the installation.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const lock = JSON.parse(readFileSync(file, 'utf8'))

const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(([name]) => !isLocked(path, name))
    .map(([name, version]) => ({ name, version, dev: entry.dev })),
)
for (const { name, version, dev } of missing) {
  lock.packages[`node_modules/${name}`] = {
    version,
    ...platformOf(name),
    ...(dev ? { dev } : {}),
    optional: true,
  }
}
for (const name of ['better-sqlite3']) lock.packages[`node_modules/${name}`].gypfile = false
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, 'en')),
)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: ${missing.length} entries added`)

/** As Node resolves: beside the package that wants it, then further up. */
function isLocked(path, name) {
  const steps = path === '' ? [] : path.split(/\/(?=node_modules\/)/)
  const places = [...steps.keys(), steps.length].map(count =>
    [...steps.slice(0, count), `node_modules/${name}`].join('/'),
  )
  return places.some(place => lock.packages[place] !== undefined)
}

/** What the package's own manifest would say; by convention its name says the same. */
function platformOf(name) {
  const words = name.split(/[/-]/)
  const os = words.find(word =>
    ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'].includes(word),
  )
  const cpu = words.find(word =>
    ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'].includes(word),
  )
  if (os === undefined || cpu === undefined) throw new Error(`cannot tell the platform of ${name}`)
  const libc = words.some(word => word.startsWith('musl')) ? 'musl' : 'glibc'
  return { cpu: [cpu], ...(os === 'linux' ? { libc: [libc] } : {}), os: [os] }
}
