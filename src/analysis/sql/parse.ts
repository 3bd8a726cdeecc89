/** Reads a text with PostgreSQL's grammar. Runs in a worker: a hostile text can keep it busy for seconds and take much memory. */
import { setFlagsFromString } from 'node:v8'
import { fingerprintSync, loadModule, parseSync, SqlError } from 'libpg-query'
import { type Analysis, unparsable } from './analysis.ts'
import { bodiesOf } from './bodies.ts'
import { analyse, maxStatements, withBodies } from './facts.ts'
import { list, type Tree } from './ast.ts'

/**
 * V8 would compile the grammar a second time, for speed, once it is busy: that takes seconds of a core and 600 MB for a moment, in a
 * gateway that takes 200, and saves 10 µs of 25 for a text that nobody waits for. It obeys all three flags together alone.
 */
for (const flag of ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering', '--liftoff-only'])
  setFlagsFromString(flag)

/** Must be waited for once before the first `parseText`. */
export const ready: Promise<void> = loadModule()

/**
 * A text that is not SQL is `unparsable`; whatever is thrown means that the grammar's memory cannot be trusted any more.
 * `reach` looks for masked columns.
 */
export function parseText(source: string, reach?: (tree: Tree) => string | undefined): Analysis {
  const tree = treeOf(source)
  if (typeof tree === 'string') return unparsable(tree)
  if (list(tree, 'stmts').length > maxStatements) return unparsable(`more than ${maxStatements} statements`)
  try {
    const analysis = readBodies(analyse(tree, source, fingerprintOf(source)), tree, source)
    const maskedReach = reach?.(tree)
    return maskedReach === undefined ? analysis : { ...analysis, maskedReach }
  } catch (cause) {
    if (cause instanceof RangeError) return unparsable('nested too deeply')
    throw cause
  }
}

function treeOf(source: string): Tree | string {
  // The grammar is C: it would read up to the first NUL only.
  if (source.includes('\0')) return 'a NUL byte'
  if (source.trim() === '') return { stmts: [] }
  try {
    return parseSync(source) as unknown as Tree
  } catch (cause) {
    if (cause instanceof SqlError) return cause.message
    throw cause
  }
}

function fingerprintOf(source: string): string | undefined {
  if (source.trim() === '') return undefined
  return fingerprintSync(source)
}

/** Bodies of bodies are not read. */
function readBodies(analysis: Analysis, tree: Tree, source: string): Analysis {
  const { kinds } = analysis.facts
  if (!kinds.includes('do') && !kinds.includes('create-function')) return analysis
  const { texts, isDark } = bodiesOf(tree, source)
  const inner = texts.map(text => {
    const read = treeOf(text)
    return typeof read === 'string' ? unparsable(read) : analyse(read, text, undefined)
  })
  const isDeeper = inner.some(
    ({ facts }) => facts.kinds.includes('do') || facts.kinds.includes('create-function'),
  )
  return withBodies(analysis, inner, isDark || isDeeper)
}
