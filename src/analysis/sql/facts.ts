/** From PostgreSQL's parse tree to what policy, rules and recordings need to know. Pure. */
import type { DenyWord } from '../../config/deny-words.ts'
import type { StatementClass, StatementFacts } from '../../model.ts'
import type { Analysis, NamedObject, Part } from './analysis.ts'
import { bodyOf, list, nodeOf, text, type Tree } from './ast.ts'
import { StatementReader } from './statement-reader.ts'
import { graver } from './statement-words.ts'

/** Statements of one text that get facts of their own. A text with more is unparsable to us. */
export const maxStatements = 10_000

/** `tree` is what libpg-query made of `source`; `fingerprint` is its own too. */
export function analyse(tree: Tree, source: string, fingerprint: string | undefined): Analysis {
  const bytes = Buffer.byteLength(source)
  const statements = list(tree, 'stmts')
  const parts = statements.map(statement => partOf(statement as Tree, bytes, statements.length))
  const [only] = parts
  const isOfShape = parts.length === 1 && only !== undefined && only.isOfShape
  return { facts: { ...union(parts), fingerprint }, parts: parts.map(({ part }) => part), isOfShape }
}

type ReadPart = { readonly part: Part; readonly isOfShape: boolean }

/** Positions are of bytes; a length that is left out reaches to the end. A single statement is the whole text, blanks too. */
function partOf(statement: Tree, bytes: number, count: number): ReadPart {
  const start = count === 1 ? 0 : number(statement['stmt_location'])
  const length = count === 1 ? 0 : number(statement['stmt_len'])
  const reader = new StatementReader()
  reader.readStatement(statement['stmt'])
  const { found } = reader
  const part: Part = {
    facts: {
      class: found.class,
      kinds: [...found.words],
      tables: found.tables(),
      functions: [...found.functions],
      hasWhere: reader.hasWhere,
      fingerprint: undefined,
      statements: 1,
    },
    start,
    bytes: length === 0 ? bytes - start : length,
    settings: found.settings,
    roles: found.roles,
    named: namedObject(statement['stmt']),
  }
  return { part, isOfShape: isPlain(statement['stmt']) && !found.hasReadLiteral }
}

/** The analysis of a text whose bodies were read too: what they do, the text does, now or when they run. */
export function withBodies(outer: Analysis, inner: readonly Analysis[], isDark: boolean): Analysis {
  const kinds: DenyWord[] =
    isDark || inner.some(({ facts }) => facts.class === 'unparsable') ? ['dynamic-sql'] : []
  const own = [outer.facts, ...inner.map(each => each.facts)]
  const facts: StatementFacts = {
    ...outer.facts,
    class: own
      .map(each => each.class)
      .filter(each => each !== 'unparsable')
      .reduce(graver, 'other'),
    kinds: [...new Set([...own.flatMap(each => each.kinds), ...kinds])],
    tables: own.flatMap(each => each.tables),
    functions: [...new Set(own.flatMap(each => each.functions))],
  }
  const [first, ...others] = outer.parts
  if (first === undefined) return outer
  const within = inner.flatMap(each => each.parts)
  const whole: Part = {
    ...first,
    facts: others.length === 0 ? facts : first.facts,
    settings: [...first.settings, ...within.flatMap(each => each.settings)],
    roles: [...first.roles, ...within.flatMap(each => each.roles)],
  }
  return { ...outer, facts, parts: [whole, ...others] }
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

/** Statements whose tree cannot change its meaning with a literal, unless the reader looked at one. */
function isPlain(statement: unknown): boolean {
  const type = nodeOf(statement)?.type
  return type === 'SelectStmt' || type === 'InsertStmt' || type === 'UpdateStmt' || type === 'DeleteStmt'
}

function union(parts: readonly ReadPart[]): StatementFacts {
  const facts = parts.map(({ part }) => part.facts)
  const [only] = facts
  if (facts.length === 1 && only !== undefined) return only
  const classes = facts.map(each => each.class)
  const where = facts.map(each => each.hasWhere).filter(each => each !== undefined)
  return {
    class: classes.reduce<StatementClass>(graver, 'other'),
    kinds: [...new Set(facts.flatMap(each => each.kinds))],
    tables: facts.flatMap(each => each.tables),
    functions: [...new Set(facts.flatMap(each => each.functions))],
    hasWhere: where.length === 0 ? undefined : where.every(Boolean),
    fingerprint: undefined,
    statements: facts.length,
  }
}

const namedActions: Readonly<Record<string, [NamedObject['action'], string]>> = {
  PrepareStmt: ['prepare', 'name'],
  ExecuteStmt: ['execute', 'name'],
  DeallocateStmt: ['deallocate', 'name'],
  DeclareCursorStmt: ['declare', 'portalname'],
  FetchStmt: ['fetch', 'portalname'],
  ClosePortalStmt: ['close', 'portalname'],
}

function namedObject(statement: unknown): NamedObject | undefined {
  const node = nodeOf(statement)
  if (node?.type === 'DiscardStmt')
    return text(node.body, 'target') === 'DISCARD_ALL' ? { action: 'discard', name: undefined } : undefined
  const executed = bodyOf(node?.type === 'CreateTableAsStmt' ? node.body['query'] : undefined, 'ExecuteStmt')
  if (executed !== undefined) return { action: 'execute', name: text(executed, 'name') }
  const explained = bodyOf(node?.type === 'ExplainStmt' ? node.body['query'] : undefined, 'ExecuteStmt')
  if (explained !== undefined) return { action: 'execute', name: text(explained, 'name') }
  const action = node === undefined ? undefined : namedActions[node.type]
  return node === undefined || action === undefined
    ? undefined
    : { action: action[0], name: text(node.body, action[1]) }
}
