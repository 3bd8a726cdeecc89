/**
 * Whether a statement could show a masked column in another way than as itself, a plain column of its outermost SELECT or RETURNING.
 * There, and only there, the description of the result names the column, and its values are masked on their way.
 *
 * The reader goes by names and errs towards refusing: a name that may be a masked column is one. It cannot know what operators,
 * casts and functions in C do, nor what was created in the last seconds by somebody else. Column privileges are the real boundary.
 */
import {
  bodyOf,
  childrenOf,
  field,
  flag,
  isTree,
  list,
  names,
  type Node,
  nodeOf,
  qualifiedName,
  text,
  type Tree,
} from './ast.ts'
import { functionWords } from './function-words.ts'
import type { MaskedTable, MaskedTables } from './masked-tables.ts'

/** Catalogs that hold samples of the values of columns. */
const samples = new Set([
  'pg_statistic',
  'pg_stats',
  'pg_statistic_ext_data',
  'pg_stats_ext',
  'pg_stats_ext_exprs',
])

const callsUnseen = 'it would call functions where nobody sees it'

/** With masks, code whose steps cannot be followed is refused whatever it names. */
const opaque: Readonly<Record<string, string>> = {
  DoStmt: 'what DO does cannot be followed',
  CreateFunctionStmt: 'what a function does cannot be followed',
  CreateTrigStmt: 'what a trigger does cannot be followed',
  CreateEventTrigStmt: 'what a trigger does cannot be followed',
  CreateCastStmt: callsUnseen,
  CreateOpClassStmt: callsUnseen,
  AlterOpFamilyStmt: callsUnseen,
  CreateRangeStmt: callsUnseen,
  CreateConversionStmt: callsUnseen,
  CreateTransformStmt: callsUnseen,
}
/** Of DefineStmt; others of it are collations and the like. */
const definesCalls = new Set(['OBJECT_AGGREGATE', 'OBJECT_OPERATOR', 'OBJECT_TYPE'])
/** What is known of them goes by their names, and in a transaction nobody else sees the new ones. */
const renamesUnseen = new Set([
  'OBJECT_SCHEMA',
  'OBJECT_FUNCTION',
  'OBJECT_PROCEDURE',
  'OBJECT_ROUTINE',
  'OBJECT_AGGREGATE',
])

/** Statements that may name a masked table; each is looked into, or shows nothing of its columns. */
const mayName = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'PrepareStmt',
  'ExplainStmt',
  'LockStmt',
  'VacuumStmt',
  'TruncateStmt',
  'DropStmt',
  'GrantStmt',
  'ReindexStmt',
  'ClusterStmt',
  'CommentStmt',
])

const changes = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])
/** The row before and after a change (RETURNING of PostgreSQL 18), and the one that was not inserted. */
const versions = new Set(['old', 'new', 'excluded'])

/** Words for people, to stand after "it would show masked columns:"; undefined: it does not reach one. */
export function maskedReach(tree: Tree, masked: MaskedTables): string | undefined {
  for (const statement of list(tree, 'stmts')) {
    const reach = statementReach((statement as Tree)['stmt'], masked)
    if (reach !== undefined) return reach
  }
  return undefined
}

function statementReach(statement: unknown, masked: MaskedTables): string | undefined {
  const node = nodeOf(statement)
  if (node === undefined) return undefined
  const told = toldOf(node)
  if (told !== undefined) return told
  const mentions = new Mentions(masked)
  mentions.read(statement)
  if (mentions.refused !== undefined) return mentions.refused
  if (mentions.tables.size === 0) return undefined
  const [table] = mentions.tables
  if (!mayName.has(node.type))
    return `${table?.name} is named in a statement that is neither SELECT nor plain change`
  return new ReachReader(mentions).outermost(node.type, node.body)
}

/** What a statement is refused for whatever it names; so are those within EXPLAIN and CREATE SCHEMA. */
function toldOf({ type, body }: Node): string | undefined {
  const within = type === 'ExplainStmt' ? [body['query']] : list(body, 'schemaElts')
  for (const each of within) {
    const node = nodeOf(each)
    const told = node === undefined ? undefined : toldOf(node)
    if (told !== undefined) return told
  }
  if (copiesPrepared(type, body)) return 'a prepared statement would be copied into a table'
  if (type === 'DefineStmt' && definesCalls.has(text(body, 'kind') ?? '')) return callsUnseen
  if (type === 'RenameStmt' && renamesUnseen.has(text(body, 'renameType') ?? ''))
    return 'what is renamed is known by its name'
  return opaque[type]
}

/** CREATE TABLE … AS EXECUTE: where it was prepared, the statement was judged as one whose result goes to the client. */
function copiesPrepared(type: string, body: Tree): boolean {
  return type === 'CreateTableAsStmt' && bodyOf(body['query'], 'ExecuteStmt') !== undefined
}

/** Which masked tables a statement names, by what names, and whether it names what cannot be followed. */
class Mentions {
  readonly tables = new Set<MaskedTable>()
  /** Names and aliases by which a masked table is meant. */
  readonly aliases = new Set<string>()
  refused: string | undefined
  readonly #masked: MaskedTables

  constructor(masked: MaskedTables) {
    this.#masked = masked
  }

  read(value: unknown): void {
    if (Array.isArray(value)) for (const member of value) this.read(member)
    if (!isTree(value)) return
    this.#range(value)
    this.#function(value)
    this.#join(value)
    const node = nodeOf(value)
    const version = text(node?.type === 'ReturningOption' ? node.body : undefined, 'value')
    if (version !== undefined) this.aliases.add(version)
    if (node?.type === 'DropStmt' || node?.type === 'CommentStmt') this.#objects(node.body)
    for (const child of childrenOf(value)) this.read(child)
  }

  #range(tree: Tree): void {
    const name = text(tree, 'relname')
    if (name === undefined) return
    const schema = text(tree, 'schemaname')
    this.#relation(schema, name)
    const alias = field(tree, 'alias')
    for (const table of this.#named(schema, name)) {
      this.tables.add(table)
      this.aliases.add(text(alias, 'aliasname') ?? name)
      if (list(alias, 'colnames').length > 0) this.refused ??= `columns of ${name} get other names`
    }
  }

  #relation(schema: string | undefined, name: string): void {
    if (samples.has(name)) this.refused ??= `${name} holds samples of values`
    const view = this.#masked.views.find(each => isSame(each, schema, name))
    if (view !== undefined && this.#named(schema, name).length === 0)
      this.refused ??= `${name} reads a table with masked columns`
  }

  #named(schema: string | undefined, name: string): readonly MaskedTable[] {
    return this.#masked.tables.filter(each => isSame(each, schema, name))
  }

  #objects(body: Tree): void {
    for (const object of [...list(body, 'objects'), body['object']]) {
      const path = qualifiedName(object)
      const name = path.at(-1)
      if (name !== undefined) for (const table of this.#named(path.at(-2), name)) this.tables.add(table)
    }
  }

  #function(tree: Tree): void {
    const name = names(list(tree, 'funcname')).at(-1)
    if (name === undefined) return
    if (this.#masked.functions.includes(name))
      this.refused ??= `what the function ${name} does cannot be followed`
    if (functionWords(name.toLowerCase())?.words.includes('dynamic-sql') === true)
      this.refused ??= `what the function ${name} runs cannot be followed`
  }

  #join(tree: Tree): void {
    const join = bodyOf(tree, 'JoinExpr')
    if (join !== undefined && list(field(join, 'alias'), 'colnames').length > 0)
      this.refused ??= 'columns of a join get other names'
    for (const alias of [field(join, 'alias'), field(join, 'join_using_alias')]) {
      const name = text(alias, 'aliasname')
      if (name !== undefined) this.aliases.add(name)
    }
  }

  /** Masked columns of the tables that are named. */
  masked(): Set<string> {
    return new Set([...this.tables].flatMap(({ masked }) => masked))
  }

  isColumn(name: string): boolean {
    return [...this.tables].some(({ columns }) => columns.includes(name))
  }
}

function isSame(one: { schema: string; name: string }, schema: string | undefined, name: string): boolean {
  return one.name === name && (schema === undefined || one.schema === schema)
}

class ReachReader {
  readonly #mentions: Mentions
  /** Names that stand for a masked value: the columns, and what the outermost list calls them. */
  readonly #masked: Set<string>
  #hasPlain = false
  #reach: string | undefined

  constructor(mentions: Mentions) {
    this.#mentions = mentions
    this.#masked = mentions.masked()
  }

  outermost(type: string, body: Tree): string | undefined {
    if (type === 'PrepareStmt' || type === 'ExplainStmt') {
      const inner = nodeOf(body['query'])
      if (inner === undefined || !mayName.has(inner.type))
        return 'a statement inside of another one is not followed'
      return this.outermost(inner.type, inner.body)
    }
    if (type === 'SelectStmt') this.#select(body)
    else this.#change(body)
    return this.#reach
  }

  #refuse(reason: string): void {
    this.#reach ??= reason
  }

  /** The outermost SELECT. What is combined by UNION and its kin has no columns of a table any more. */
  #select(body: Tree): void {
    if (text(body, 'op') !== 'SETOP_NONE') return this.#nested(body)
    if (field(body, 'intoClause') !== undefined) return this.#refuse('the result goes into a table')
    this.#plainTargets(list(body, 'targetList'))
    for (const key in body) if (key !== 'targetList') this.#read(body[key])
    if (this.#hasPlain) this.#positions([...list(body, 'sortClause'), ...list(body, 'groupClause')])
  }

  #change(body: Tree): void {
    const returning = field(body, 'returningClause')
    const targets = [...list(body, 'returningList'), ...list(returning, 'exprs')]
    this.#plainTargets(targets)
    for (const key in body) if (!['returningList', 'returningClause'].includes(key)) this.#read(body[key])
  }

  #plainTargets(targets: readonly unknown[]): void {
    for (const target of targets) {
      const body = bodyOf(target, 'ResTarget')
      const column = bodyOf(body?.['val'], 'ColumnRef')
      if (column === undefined) this.#read(body?.['val'])
      else this.#plain(column, text(body, 'name'))
    }
  }

  /** `card`, `p.card`, `*`, `p.*`: described by the target as the column that it is. */
  #plain(column: Tree, alias: string | undefined): void {
    const fields = list(column, 'fields')
    const path = names(fields)
    const name = path.at(-1) ?? ''
    const isStar = path.length < fields.length
    if (!isStar) this.#row(path)
    if (!isStar && !this.#masked.has(name)) return
    this.#hasPlain = true
    if (alias !== undefined) this.#masked.add(alias)
  }

  /** A row as a whole, or a function that is written like a column of it. */
  #row(path: readonly string[]): void {
    const name = path.at(-1) ?? ''
    const [of] = path.slice(-2, -1)
    const { aliases } = this.#mentions
    if (of === undefined && (aliases.has(name) || (versions.has(name) && !this.#mentions.isColumn(name))))
      this.#refuse(`${name} is taken as a whole row`)
    if (of !== undefined && (aliases.has(of) || versions.has(of)) && !this.#mentions.isColumn(name))
      this.#refuse(`${of}.${name} is no column`)
  }

  /** ORDER BY 2 sorts by what may be masked, and the order tells. */
  #positions(items: readonly unknown[]): void {
    for (const item of items) {
      const node = bodyOf(item, 'SortBy')?.['node'] ?? item
      if (bodyOf(node, 'A_Const') !== undefined)
        this.#refuse('a result with masked columns is sorted or grouped by position')
    }
  }

  #read(value: unknown): void {
    if (Array.isArray(value)) for (const member of value) this.#read(member)
    if (!isTree(value) || this.#reach !== undefined) return
    const node = nodeOf(value)
    if (node?.type === 'ColumnRef') return this.#expression(node.body)
    if (node?.type === 'SelectStmt') return this.#nested(node.body)
    if (node !== undefined && changes.has(node.type)) this.#nestedChange(node.body)
    if (node?.type === 'A_Indirection') this.#fields(list(node.body, 'indirection'))
    if (node?.type === 'JoinExpr') this.#join(node.body)
    if (node === undefined && text(value, 'limitOption') !== undefined) return this.#nested(value)
    for (const child of childrenOf(value)) this.#read(child)
  }

  #expression(column: Tree): void {
    const fields = list(column, 'fields')
    const path = names(fields)
    const name = path.at(-1) ?? ''
    if (path.length < fields.length) {
      if (path.length > 0 && this.#mentions.aliases.has(name))
        this.#refuse(`${name}.* is used in an expression`)
    } else if (this.#masked.has(name)) this.#refuse(`${name} is used in an expression`)
    else this.#row(path)
  }

  #fields(indirection: readonly unknown[]): void {
    for (const name of names(indirection))
      if (this.#masked.has(name)) this.#refuse(`${name} is taken out of a row`)
  }

  /** A SELECT inside: what it returns is a value like any other, so `*` would bring masked columns along. */
  #nested(body: Tree): void {
    const targets = list(body, 'targetList').map(each =>
      bodyOf(bodyOf(each, 'ResTarget')?.['val'], 'ColumnRef'),
    )
    const hasStar = targets.some(column => {
      const fields = list(column, 'fields')
      return fields.length === 1 && names(fields).length === 0
    })
    if (hasStar && this.#isFromMasked(list(body, 'fromClause')))
      return this.#refuse('all columns are used inside of another statement')
    for (const key in body) this.#read(body[key])
  }

  /** WITH x AS (DELETE … RETURNING *). */
  #nestedChange(body: Tree): void {
    const targets = [...list(body, 'returningList'), ...list(field(body, 'returningClause'), 'exprs')]
    const columns = targets.map(each => bodyOf(bodyOf(each, 'ResTarget')?.['val'], 'ColumnRef'))
    if (columns.some(column => bodyOf(list(column, 'fields')[0], 'A_Star') !== undefined))
      this.#refuse('all columns are used inside of another statement')
  }

  #isFromMasked(items: readonly unknown[]): boolean {
    return items.some(item => {
      const join = bodyOf(item, 'JoinExpr')
      if (join !== undefined) return this.#isFromMasked([join['larg'], join['rarg']])
      const sample = bodyOf(item, 'RangeTableSample')
      if (sample !== undefined) return this.#isFromMasked([sample['relation']])
      const range = bodyOf(item, 'RangeVar')
      const name = text(range, 'relname')
      return [...this.#mentions.tables].some(table => table.name === name)
    })
  }

  #join(body: Tree): void {
    if (flag(body, 'isNatural')) this.#refuse('a natural join may compare masked columns')
    for (const name of names(list(body, 'usingClause')))
      if (this.#masked.has(name)) this.#refuse(`${name} is compared in a join`)
  }
}
