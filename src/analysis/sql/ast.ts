/**
 * Small readers of the JSON tree that libpg-query makes of a text (PostgreSQL's own parse nodes, parsenodes.h).
 * Nodes in lists stand in a wrapper, `{ "RangeVar": { … } }`; single fields of a fixed type stand bare.
 */

/** Any object of the tree. */
export type Tree = { readonly [field: string]: unknown }
/** A wrapped node, taken apart. */
export type Node = { readonly type: string; readonly body: Tree }

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A wrapper has one field, and only node types start with a capital letter. */
export function nodeOf(value: unknown): Node | undefined {
  if (!isTree(value)) return undefined
  let type: string | undefined
  for (const key in value) {
    if (type !== undefined) return undefined
    type = key
  }
  if (type === undefined) return undefined
  const code = type.charCodeAt(0)
  const body = value[type]
  return code >= 65 && code <= 90 && isTree(body) ? { type, body } : undefined
}

/** The body of a node of that type, wrapped; undefined if it is something else. */
export function bodyOf(value: unknown, type: string): Tree | undefined {
  const node = nodeOf(value)
  return node?.type === type ? node.body : undefined
}

export function field(tree: Tree | undefined, name: string): Tree | undefined {
  const value = tree?.[name]
  return isTree(value) ? value : undefined
}

export function list(tree: Tree | undefined, name: string): readonly unknown[] {
  const value = tree?.[name]
  return Array.isArray(value) ? value : []
}

export function text(tree: Tree | undefined, name: string): string | undefined {
  const value = tree?.[name]
  return typeof value === 'string' ? value : undefined
}

/** False is left out of the tree. */
export function flag(tree: Tree | undefined, name: string): boolean {
  return tree?.[name] === true
}

/** The texts of a list of String nodes, which is how names are written; other members are left out. */
export function names(values: readonly unknown[]): string[] {
  return values.flatMap(value => {
    const name = text(bodyOf(value, 'String'), 'sval')
    return name === undefined ? [] : [name]
  })
}

/** The names in a `List` node, or the one of a bare String: how DROP and its kin write a qualified name. */
export function qualifiedName(value: unknown): string[] {
  return names(bodyOf(value, 'List') === undefined ? [value] : list(bodyOf(value, 'List'), 'items'))
}

/** The text of a string literal, or of a literal under a cast; undefined for everything that is not known here. */
export function literalText(value: unknown): string | undefined {
  const cast = bodyOf(value, 'TypeCast')
  if (cast !== undefined) return literalText(cast['arg'])
  return text(field(bodyOf(value, 'A_Const'), 'sval'), 'sval')
}

/** A literal as SET would write it: text, number or truth; undefined if it is no literal. */
export function literalValue(value: unknown): string | undefined {
  const constant = bodyOf(value, 'A_Const')
  if (constant === undefined) return literalText(value)
  const number = field(constant, 'ival')
  if (number !== undefined) return typeof number['ival'] === 'number' ? String(number['ival']) : '0'
  const truth = field(constant, 'boolval')
  if (truth !== undefined) return flag(truth, 'boolval') ? 'true' : 'false'
  return text(field(constant, 'fval'), 'fval') ?? literalText(value)
}

/** All children, in the order of the tree. */
export function* childrenOf(tree: Tree): Generator {
  for (const key in tree) {
    const value = tree[key]
    if (typeof value === 'object' && value !== null) yield value
  }
}
