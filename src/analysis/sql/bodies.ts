/**
 * The SQL inside DO and CREATE FUNCTION, where it is written in SQL or PL/pgSQL. What an EXECUTE of a computed string does, and what
 * functions do that exist already, cannot be seen.
 */
import { parsePlPgSQLSync } from 'libpg-query'
import { bodyOf, childrenOf, isTree, list, names, nodeOf, text, type Tree } from './ast.ts'

export type Bodies = {
  /** Texts of statements, and of expressions with SELECT before them. */
  readonly texts: readonly string[]
  /** There is more that cannot be read. */
  readonly isDark: boolean
}

/** Expressions and statements of one text's bodies that are read. */
const maxTexts = 1000
const dark: Bodies = { texts: [], isDark: true }

/** `tree` and `source`: a text with DO or CREATE FUNCTION in it. Throws if the grammar broke over it. */
export function bodiesOf(tree: Tree, source: string): Bodies {
  const languages = list(tree, 'stmts').map(each => languageOf((each as Tree)['stmt']))
  const plain = languages.flatMap(each => (each?.language === 'sql' ? [each.body] : []))
  const isForeign = languages.some(each => each !== undefined && !['sql', 'plpgsql'].includes(each.language))
  if (!languages.some(each => each?.language === 'plpgsql')) return { texts: plain, isDark: isForeign }
  const read = proceduralBodies(source)
  return { texts: [...plain, ...read.texts], isDark: isForeign || read.isDark }
}

/** What a DO or CREATE FUNCTION is written in; a body in SQL's own syntax is read with the tree. */
function languageOf(statement: unknown): { language: string; body: string } | undefined {
  const node = nodeOf(statement)
  if (node?.type !== 'DoStmt' && node?.type !== 'CreateFunctionStmt') return undefined
  const options = list(node.body, node.type === 'DoStmt' ? 'args' : 'options').map(each =>
    bodyOf(each, 'DefElem'),
  )
  const option = (name: string) => options.find(each => text(each, 'defname') === name)?.['arg']
  const language = text(bodyOf(option('language'), 'String'), 'sval')?.toLowerCase()
  const as = option('as')
  const body = text(bodyOf(as, 'String'), 'sval') ?? names(list(bodyOf(as, 'List'), 'items'))[0] ?? ''
  return { language: language ?? (node.type === 'DoStmt' ? 'plpgsql' : 'sql'), body }
}

function proceduralBodies(source: string): Bodies {
  try {
    return collect(parsePlPgSQLSync(source))
  } catch (cause) {
    // WebAssembly's trap, or its stack: not an error that the parser told.
    if (cause instanceof Error && ['RuntimeError', 'RangeError'].includes(cause.name)) throw cause
    return dark
  }
}

function collect(parsed: unknown): Bodies {
  const texts: string[] = []
  let isDark = false
  const search = (value: unknown): void => {
    if (Array.isArray(value)) for (const member of value) search(member)
    if (!isTree(value)) return
    const node = nodeOf(value)
    if (node?.type.startsWith('PLpgSQL_stmt_dyn') === true || 'dynquery' in value) isDark = true
    const query = text(node?.type === 'PLpgSQL_expr' ? node.body : undefined, 'query')
    if (query !== undefined) texts.push(statementOf(query, node?.body['parseMode']))
    for (const child of childrenOf(value)) search(child)
  }
  search(parsed)
  return texts.length > maxTexts ? dark : { texts, isDark }
}

/** Parse modes of gramparse.h: 0 statements, 2 an expression, 3 and above an assignment to a name of one or more parts. */
function statementOf(query: string, mode: unknown): string {
  if (mode === 2) return `select ${query}`
  const value = typeof mode === 'number' && mode > 2 ? /:?=([\s\S]*)$/.exec(query)?.[1] : undefined
  return value === undefined ? query : `select ${value}`
}
