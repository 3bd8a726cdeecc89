/** What a browser fetches before a page is there. xterm.js counts for itself: it is loaded where there is a terminal. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'

const assets = join(import.meta.dirname, '../../web/dist/assets')
const missing = !existsSync(assets) && process.env['SALLYPORT_REQUIRE_PEERS'] !== '1'

/** Bytes of code and style, gzipped. */
const maxPageBytes = 60_000

const textOf = (name: string): string => readFileSync(join(assets, name), 'utf8')

/** A script and all that it needs to begin. */
function closure(name: string, known: Set<string> = new Set()): Set<string> {
  if (known.has(name)) return known
  known.add(name)
  for (const [, needed = ''] of textOf(name).matchAll(/(?:\bfrom|\bimport)\s*"\.\/([\w.-]+\.js)"/g))
    closure(needed, known)
  return known
}

/** What a script loads later: the pages, from the entry. */
function later(name: string): string[] {
  return [...textOf(name).matchAll(/\bimport\(`?"?\.\/([\w.-]+\.js)/g)].map(([, needed = '']) => needed)
}

/** The styles that come with it, as the script that loads it says. */
function stylesOf(loader: string, name: string): readonly string[] {
  const text = textOf(loader)
  const [, listed = ''] = /m\.f=(\[[^\]]*\])/.exec(text) ?? []
  const files = listed === '' ? [] : (JSON.parse(listed) as string[])
  const load = new RegExp(
    `${name.replaceAll('.', String.raw`\.`)}[^)]*\\)[^_]*__vite__mapDeps\\(\\[([\\d,]*)\\]`,
  )
  const [, places = ''] = load.exec(text) ?? []
  const needed = places.split(',').map(place => files[Number(place)] ?? '')
  return needed.filter(file => file.endsWith('.css')).map(file => file.replace('assets/', ''))
}

function packedBytes(names: Iterable<string>): number {
  return [...names].reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0)
}

describe.skipIf(missing)(missing ? 'the pages are not built (npm run build)' : 'the built pages', () => {
  test('no page needs more than 60 kB of code and style, xterm.js aside', () => {
    const names = readdirSync(assets)
    const entry = names.find(name => /^index-.*\.js$/.test(name)) ?? ''
    const style = names.filter(name => /^index-.*\.css$/.test(name))
    const pages = later(entry)
    const viewsOf = (page: string): string[] => later(page).filter(name => /^(terminal|sql)-/.test(name))
    const loads = pages.flatMap(page => [[page], ...viewsOf(page).map(view => [page, view])])
    expect(loads.length).toBeGreaterThan(9)
    for (const load of loads) {
      const scripts = new Set([entry, ...load].flatMap(name => [...closure(name)]))
      const styles = load.flatMap((one, at) => stylesOf(at === 0 ? entry : (load[at - 1] ?? ''), one))
      const all = new Set([...scripts, ...style, ...styles])
      const bytes = packedBytes([...all].filter(name => !name.startsWith('xterm')))
      if (load.some(name => name.startsWith('terminal-'))) expect(styles.join()).toContain('player')
      expect(bytes, load.join(' and ')).toBeLessThan(maxPageBytes)
      expect(
        [...scripts].some(name => name.startsWith('xterm')),
        'xterm.js comes later',
      ).toBe(false)
    }
  })

  test('they ask nobody else for anything, and bring no script in the page itself', () => {
    const html = readFileSync(join(assets, '../index.html'), 'utf8')
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/)
    expect(html).not.toMatch(/https?:\/\//)
  })
})
