/** Holds the direction of imports that ARCHITECTURE.md draws. Whoever needs an arrow the other way moves code instead. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** From left to right; each part may import from its own folder and from anything to the right, never to the left. */
const LAYERS: readonly (readonly string[])[] = [
  ['main'],
  ['cli', 'demo'],
  ['ssh', 'postgres', 'api'],
  ['session'],
  ['credentials', 'analysis', 'notify'],
  ['recorder'],
  ['policy'],
  ['identity'],
  ['audit'],
  ['store'],
  ['chain', 'config', 'log', 'clock', 'errors', 'model', 'wire'],
]
/** Parts that never import each other, although they stand side by side. All other neighbours may, without a cycle. */
const STRANGERS = ['ssh', 'postgres', 'api']

type Edge = { readonly from: string; readonly to: string }

const SRC = resolve(import.meta.dirname, '../src')
/** `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`; types too, since they bind as much. */
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"\n]+)\1/g

/** Two files of one folder may know each other's types; loading them needs neither first. */
const TYPE_IMPORT = /^(?:import|export) type [^'"]*\bfrom\s*(['"])[^'"\n]+\1/gm

test('nothing imports against the direction', () => {
  expect(againstDirection(edgesOf(SRC))).toEqual([])
})

test('ssh, postgres and api never import each other', () => {
  expect(betweenStrangers(edgesOf(SRC))).toEqual([])
})

test('no folders import each other in a circle', () => {
  expect(
    cycleIn(edgesOf(SRC).map(({ from, to }) => ({ from: partOf(from), to: partOf(to) }))),
  ).toBeUndefined()
})

test('only a worker process takes the word of another process for who somebody is', () => {
  const taking = filesIn(SRC).filter(file => /\b\w+VouchedFor\b/.test(readFileSync(file, 'utf8')))
  expect(taking.map(file => relative(SRC, file)).toSorted()).toEqual([
    'identity/machine-token.ts',
    'identity/principal.ts',
    'postgres/workers/worker-sign-in.ts',
  ])
})

test('no files need each other in a circle when they are loaded', () => {
  expect(cycleIn(edgesOf(SRC, 'values'))).toBeUndefined()
})

test('every part of the program has its place in the layers', () => {
  const parts = new Set(filesIn(SRC).map(file => partOf(relative(SRC, file))))
  expect([...parts].filter(part => layerOf(part) === -1)).toEqual([])
})

test('the model imports nothing', () => {
  expect(edgesOf(SRC).filter(({ from }) => from === 'model.ts')).toEqual([])
  expect([...readFileSync(join(SRC, 'model.ts'), 'utf8').matchAll(IMPORT)]).toEqual([])
})

test('this test sees a planted import against the direction', () => {
  const planted = [
    { from: 'store/store.ts', to: 'policy/decide.ts' },
    { from: 'policy/decide.ts', to: 'store/store.ts' },
    { from: 'recorder/recorder.ts', to: 'ssh/relay.ts' },
  ]
  expect(againstDirection(planted)).toEqual([
    'store/store.ts → policy/decide.ts',
    'recorder/recorder.ts → ssh/relay.ts',
  ])
  expect(betweenStrangers([{ from: 'ssh/a.ts', to: 'api/b.ts' }])).toEqual(['ssh/a.ts → api/b.ts'])
})

test('this test sees a planted circle', () => {
  const chain = [
    { from: 'a', to: 'b' },
    { from: 'b', to: 'c' },
  ]
  expect(cycleIn(chain)).toBeUndefined()
  expect(cycleIn([...chain, { from: 'c', to: 'a' }])).toEqual(['a', 'b', 'c', 'a'])
})

test('this test sees every form of import', () => {
  const text = `
import type { A } from './a.ts'
import {
  type B,
} from "./b.ts"
export { C } from './c.ts'
export * from './d.ts'
import './e.ts'
const f = await import('./f.ts')
let g: import('./g.ts').G
`
  expect([...text.matchAll(IMPORT)].map(match => match[2])).toEqual(
    ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(name => `./${name}.ts`),
  )
  expect([...text.replace(TYPE_IMPORT, '').matchAll(IMPORT)].map(match => match[2])).not.toContain('./a.ts')
})

/** All imports between our own files, as paths relative to the root; `values`: only those that are left at run time. */
function edgesOf(root: string, which: 'all' | 'values' = 'all'): Edge[] {
  return filesIn(root).flatMap(file =>
    [...textOf(file, which).matchAll(IMPORT)]
      .map(match => match[2] ?? '')
      .filter(specifier => specifier.startsWith('.'))
      .map(specifier => ({
        from: relative(root, file),
        to: relative(root, resolve(dirname(file), specifier)),
      })),
  )
}

function textOf(file: string, which: 'all' | 'values'): string {
  const text = readFileSync(file, 'utf8')
  return which === 'all' ? text : text.replace(TYPE_IMPORT, '')
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => join(entry.parentPath, entry.name))
}

/** `ssh/relay.ts` is of `ssh`, `errors.ts` of `errors`. */
function partOf(file: string): string {
  return file.split('/')[0]?.replace(/\.ts$/, '') ?? ''
}

function layerOf(part: string): number {
  return LAYERS.findIndex(layer => layer.includes(part))
}

function againstDirection(edges: readonly Edge[]): string[] {
  return edges.filter(({ from, to }) => layerOf(partOf(to)) < layerOf(partOf(from))).map(show)
}

function betweenStrangers(edges: readonly Edge[]): string[] {
  const strangers = ({ from, to }: Edge) =>
    partOf(from) !== partOf(to) && STRANGERS.includes(partOf(from)) && STRANGERS.includes(partOf(to))
  return edges.filter(strangers).map(show)
}

function show({ from, to }: Edge): string {
  return `${from} → ${to}`
}

/** The first circle that is found, as the way around it. */
function cycleIn(edges: readonly Edge[]): string[] | undefined {
  const next = new Map<string, Set<string>>()
  for (const { from, to } of edges) if (from !== to) next.set(from, (next.get(from) ?? new Set()).add(to))
  const done = new Set<string>()
  const walk = (node: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node]
    if (done.has(node)) return undefined
    for (const neighbour of next.get(node) ?? []) {
      const circle = walk(neighbour, [...way, node])
      if (circle !== undefined) return circle
    }
    done.add(node)
    return undefined
  }
  for (const node of next.keys()) {
    const circle = walk(node, [])
    if (circle !== undefined) return circle
  }
  return undefined
}
