/** Reads one statement's tree: what it is, what it names, and where. */
import type { RoleUse, Setting } from './analysis.ts'
import {
  bodyOf,
  childrenOf,
  field,
  flag,
  isTree,
  list,
  names,
  nodeOf,
  qualifiedName,
  text,
  type Tree,
} from './ast.ts'
import { Found, type FoundTable } from './found.ts'
import { functionWords } from './function-words.ts'
import { rolesIn } from './role-uses.ts'
import { Scope } from './scope.ts'
import { roleWordsOf, settingOf, settingOfCall, settingWanted } from './settings.ts'
import { droppedWords, statementWords, transactionWords } from './statement-words.ts'

/** Deeper trees are refused before the stack is: nobody writes them, and each level of nesting takes several calls. */
const maxDepth = 3000

/**
 * Sources of FROM that are gone through for the columns of one statement: a thousand columns of a thousand tables. Thousands of both would
 * keep the parser's thread, and everybody who waits for it, busy for seconds.
 */
const maxLookedThrough = 1_000_000

type Read = (body: Tree, scope: Scope) => void

export class StatementReader {
  readonly found = new Found()
  hasWhere: boolean | undefined
  #depth = 0
  #lookedThrough = 0
  /** Of `WHERE name = 'x'` of the SELECT that is read: pg_dump sets what it finds in pg_settings, `set_config(name, …)`. */
  #nameWanted: string | undefined
  /** In a plain EXPLAIN, which does not run what it explains. */
  #isExplained = false
  readonly #readers: Readonly<Record<string, Read>> = {
    SelectStmt: (body, scope) => this.#select(body, scope, true),
    InsertStmt: (body, scope) => this.#insert(body, scope),
    UpdateStmt: (body, scope) => this.#change(body, scope, 'update-without-where'),
    DeleteStmt: (body, scope) => this.#change(body, scope, 'delete-without-where'),
    MergeStmt: (body, scope) => this.#merge(body, scope),
    MergeWhenClause: (body, scope) => this.#mergeAction(body, scope),
    CopyStmt: (body, scope) => this.#copy(body, scope),
    ColumnRef: (body, scope) => this.#column(body, scope),
    FuncCall: (body, scope) => this.#call(body, scope),
    RangeVar: body => void this.#table(body, this.#writes()),
    RangeSubselect: (body, scope) => this.#from([{ RangeSubselect: body }], scope),
    LockingClause: () => this.found.is('read', ['select-for-update']),
    ExplainStmt: (body, scope) => this.#explain(body, scope),
    CreateTableAsStmt: (body, scope) => this.#createAs(body, scope),
    CreateFunctionStmt: (body, scope) => this.#createFunction(body, scope),
    CreateTrigStmt: (body, scope) => this.#createTrigger(body, scope),
    AlterTableCmd: (body, scope) => this.#alterTable(body, scope),
    GrantStmt: (body, scope) => this.#grant(body, scope),
    GrantRoleStmt: (body, scope) => this.#grant(body, scope),
    AlterRoleSetStmt: (body, scope) => this.#alterRoleSet(body, scope),
    AlterDatabaseSetStmt: body => this.#setting(field(body, 'setstmt'), 'later'),
    AlterSystemStmt: body => this.#setting(field(body, 'setstmt'), 'later'),
    VariableSetStmt: body => this.#setting(body, 'set'),
    DropStmt: body => this.#drop(body),
    CommentStmt: (body, scope) => this.#objects(body, [body['object']], text(body, 'objtype'), scope),
    SecLabelStmt: (body, scope) => this.#objects(body, [body['object']], text(body, 'objtype'), scope),
    RenameStmt: (body, scope) => this.#rename(body, scope),
    AlterOwnerStmt: (body, scope) => this.#alterOwner(body, scope),
    TransactionStmt: body => this.#transaction(body),
    VacuumStmt: (body, scope) => {
      if (!flag(body, 'is_vacuumcmd')) this.found.is('ddl', ['analyze'])
      this.#children(body, scope)
    },
    LockStmt: body => {
      for (const relation of list(body, 'relations')) this.#table(bodyOf(relation, 'RangeVar'), false)
    },
  }

  readStatement(statement: unknown): void {
    this.#read(statement, new Scope())
  }

  #read(value: unknown, scope: Scope): void {
    if (typeof value !== 'object' || value === null) return
    if (++this.#depth > maxDepth) throw new RangeError('nested too deeply')
    if (Array.isArray(value)) for (const member of value) this.#read(member, scope)
    else this.#readTree(value as Tree, scope)
    this.#depth--
  }

  #readTree(tree: Tree, scope: Scope): void {
    const node = nodeOf(tree)
    if (node !== undefined) return this.#node(node.type, node.body, scope)
    if (text(tree, 'relname') !== undefined) return void this.#table(tree, this.#writes())
    if (text(tree, 'limitOption') !== undefined) return this.#node('SelectStmt', tree, scope)
    if (text(tree, 'roletype') !== undefined) return
    if (Array.isArray(tree['funcname']) && text(tree, 'funcformat') !== undefined)
      return this.#node('FuncCall', tree, scope)
    if (isGrant(tree)) return this.#node('GrantStmt', tree, scope)
    this.#children(tree, scope)
  }

  #node(type: string, body: Tree, scope: Scope): void {
    if (type.endsWith('Stmt')) this.#statement(type, body)
    const reader = this.#readers[type]
    if (reader === undefined) this.#children(body, scope)
    else reader(body, scope)
  }

  #children(body: Tree, scope: Scope): void {
    for (const child of childrenOf(body)) this.#read(child, scope)
  }

  /** The words of the statement, and the roles that it names. Those of VALUES are its INSERT's, see below. */
  #statement(type: string, body: Tree): void {
    this.#roles(type, body)
    if (this.#isExplained || type === 'SelectStmt' || type === 'GrantStmt' || type === 'GrantRoleStmt') return
    const [what, ...words] = statementWords[type] ?? (['other', 'unknown'] as const)
    this.found.is(what, words)
  }

  #writes(): boolean {
    return !this.#isExplained && this.found.class !== 'read' && this.found.class !== 'other'
  }

  #table(range: Tree | undefined, write: boolean): FoundTable | undefined {
    const name = text(range, 'relname')
    if (name === undefined) return undefined
    const schema = text(range, 'schemaname')
    if (write && name === 'pg_settings') this.#setsByView()
    return this.found.table(schema, name, write && !this.#isExplained)
  }

  /** UPDATE of the view pg_settings sets what it names (its rule calls set_config). */
  #setsByView(): void {
    this.found.is('session', ['set', 'set-config'])
    this.found.settings.push({ name: undefined, value: undefined, how: 'function' })
  }

  // SELECT, and what FROM lists

  #select(body: Tree, outer: Scope, isSelect: boolean): void {
    const scope = this.#with(body, outer)
    if (isSelect && !this.#isExplained) this.found.is('read', ['select'])
    if (text(body, 'op') === 'SETOP_NONE') this.#noteWhere(body)
    const into = field(field(body, 'intoClause'), 'rel')
    if (into !== undefined) this.#makesTable(into)
    for (const side of [field(body, 'larg'), field(body, 'rarg')])
      if (side !== undefined) this.#node('SelectStmt', side, scope)
    this.#from(list(body, 'fromClause'), scope)
    const before = this.#nameWanted
    this.#nameWanted = settingWanted(body)
    for (const key in body) if (!selectFields.has(key)) this.#read(body[key], scope)
    this.#nameWanted = before
  }

  #makesTable(into: Tree): void {
    if (!this.#isExplained) this.found.is('ddl', ['create', 'create-table'])
    this.#table(into, true)
  }

  #noteWhere(body: Tree): void {
    this.hasWhere ??= namesColumn(body['whereClause'])
  }

  /** Not recursive: each expression sees those before it only; the tables that it hides are still there for itself. */
  #with(body: Tree, outer: Scope): Scope {
    const scope = new Scope(outer)
    const clause = field(body, 'withClause')
    const expressions = list(clause, 'ctes').map(each => bodyOf(each, 'CommonTableExpr'))
    const add = (expression: Tree | undefined) => scope.addExpression(text(expression, 'ctename') ?? '')
    const before = this.hasWhere
    if (flag(clause, 'recursive')) expressions.forEach(add)
    for (const expression of expressions) {
      if (expression !== undefined) this.#read(expression['ctequery'], scope)
      add(expression)
    }
    this.hasWhere = before
    return scope
  }

  #from(items: readonly unknown[], scope: Scope): void {
    for (const item of items) this.#fromItem(item, scope)
  }

  #fromItem(item: unknown, scope: Scope): void {
    const node = nodeOf(item)
    if (node === undefined) return this.#read(item, scope)
    const { type, body } = node
    if (type === 'RangeVar') return this.#fromTable(body, scope)
    if (type === 'JoinExpr') return this.#join(body, scope)
    if (type === 'RangeTableSample') this.#fromItem(body['relation'], scope)
    const alias = aliasOf(body)
    if (alias !== undefined) scope.addSource(alias, undefined)
    const before = this.hasWhere
    for (const key in body) if (key !== 'alias' && key !== 'relation') this.#read(body[key], scope)
    this.hasWhere = before
  }

  #fromTable(body: Tree, scope: Scope): void {
    const name = text(body, 'relname') ?? ''
    const isExpression = text(body, 'schemaname') === undefined && scope.hasExpression(name)
    scope.addSource(aliasOf(body) ?? name, isExpression ? undefined : this.#table(body, false))
  }

  #join(body: Tree, scope: Scope): void {
    this.#from([body['larg'], body['rarg']], scope)
    for (const name of names(list(body, 'usingClause'))) {
      if (!this.#mayLook(scope)) break
      for (const table of scope.tablesOf(undefined)) this.found.column(table, name)
    }
    this.#read(body['quals'], scope)
  }

  #column(body: Tree, scope: Scope): void {
    const fields = list(body, 'fields')
    const path = names(fields)
    const isStar = bodyOf(fields.at(-1), 'A_Star') !== undefined
    const column = isStar ? '*' : path.at(-1)
    const qualifier = path.at(isStar ? -1 : -2)
    if (column === undefined || !this.#mayLook(scope)) return
    const isRow = qualifier === undefined && scope.isAlias(column)
    const [of, name] = isRow ? [column, '*'] : [qualifier, column]
    for (const table of scope.tablesOf(of)) this.found.column(table, name)
  }

  /** False: there was too much to look through, and the facts say that something is not known. */
  #mayLook(scope: Scope): boolean {
    this.#lookedThrough += scope.reach
    if (this.#lookedThrough > maxLookedThrough) this.found.words.add('unknown')
    return this.#lookedThrough <= maxLookedThrough
  }

  // INSERT, UPDATE, DELETE, MERGE

  #target(body: Tree, scope: Scope): FoundTable | undefined {
    const relation = field(body, 'relation')
    const table = this.#table(relation, true)
    if (table !== undefined && relation !== undefined) scope.addSource(aliasOf(relation) ?? table.name, table)
    return table
  }

  #insert(body: Tree, outer: Scope): void {
    const scope = this.#with(body, outer)
    const target = this.#target(body, scope)
    const conflict = field(body, 'onConflictClause')
    if (target !== undefined) {
      scope.addSource('excluded', target)
      this.#columns(target, [...list(body, 'cols'), ...list(conflict, 'targetList')])
    }
    const before = this.hasWhere
    const source = bodyOf(body['selectStmt'], 'SelectStmt')
    // VALUES stands there as a SELECT, which nobody means by the word.
    if (source !== undefined) this.#select(source, new Scope(scope), list(source, 'valuesLists').length === 0)
    for (const key of ['onConflictClause', 'returningClause', 'returningList']) this.#read(body[key], scope)
    this.hasWhere = before
    if (list(conflict, 'targetList').length > 0 && !this.#isExplained) this.found.is('write', ['update'])
  }

  #change(body: Tree, outer: Scope, without: 'update-without-where' | 'delete-without-where'): void {
    const scope = this.#with(body, outer)
    const target = this.#target(body, scope)
    const isBounded = namesColumn(body['whereClause'])
    this.hasWhere ??= isBounded
    if (!isBounded && !this.#isExplained) this.found.is('write', [without])
    if (target !== undefined) this.#columns(target, list(body, 'targetList'))
    this.#from([...list(body, 'fromClause'), ...list(body, 'usingClause')], scope)
    for (const key in body) if (!changeFields.has(key)) this.#read(body[key], scope)
  }

  #columns(table: FoundTable, targets: readonly unknown[]): void {
    for (const target of targets) {
      const name = text(bodyOf(target, 'ResTarget'), 'name')
      if (name !== undefined) this.found.column(table, name)
    }
  }

  #merge(body: Tree, outer: Scope): void {
    const scope = this.#with(body, outer)
    const target = this.#target(body, scope)
    this.#from([body['sourceRelation']], scope)
    for (const clause of list(body, 'mergeWhenClauses'))
      if (target !== undefined) this.#columns(target, list(bodyOf(clause, 'MergeWhenClause'), 'targetList'))
    for (const key in body) if (!mergeFields.has(key)) this.#read(body[key], scope)
  }

  #mergeAction(body: Tree, scope: Scope): void {
    const action = text(body, 'commandType')
    if (!this.#isExplained) {
      if (action === 'CMD_INSERT') this.found.is('write', ['insert'])
      if (action === 'CMD_UPDATE') this.found.is('write', ['update'])
      if (action === 'CMD_DELETE') this.found.is('write', ['delete'])
    }
    this.#children(body, scope)
  }

  #copy(body: Tree, scope: Scope): void {
    const isFrom = flag(body, 'is_from')
    const isFile = text(body, 'filename') !== undefined
    this.found.is('copy', [isFrom ? 'copy-from' : 'copy-to'])
    if (flag(body, 'is_program')) this.found.is('program', ['copy-program'])
    else if (isFile) this.found.is('program', ['copy-file'])
    const table = this.#table(field(body, 'relation'), isFrom)
    const columns = names(list(body, 'attlist'))
    if (table !== undefined) for (const column of columns) this.found.column(table, column)
    if (table !== undefined && columns.length === 0) this.found.column(table, '*')
    this.#read(body['query'], scope)
    this.#read(body['whereClause'], scope)
  }

  // Functions

  #call(body: Tree, scope: Scope): void {
    const path = names(list(body, 'funcname'))
    const name = path.at(-1)?.toLowerCase() ?? ''
    this.found.function(path.length === 2 && path[0] === 'pg_catalog' ? name : path.join('.'))
    const known = functionWords(name)
    if (known !== undefined && !this.#isExplained) this.found.is(known.class, known.words)
    if (name === 'set_config') this.#setConfig(list(body, 'args'))
    this.#children(body, scope)
  }

  #setConfig(args: readonly unknown[]): void {
    this.found.hasReadLiteral = true
    this.found.settings.push(settingOfCall(args, this.#nameWanted))
  }

  // Statements with something inside

  /** Without ANALYZE nothing runs, so the tables are named and no word but `explain` holds. */
  #explain(body: Tree, scope: Scope): void {
    const options = list(body, 'options').map(option => bodyOf(option, 'DefElem'))
    const runs = options.some(option => text(option, 'defname') === 'analyze' && !isOff(option))
    if (runs) this.found.is('read', ['explain-analyze'])
    const before = this.#isExplained
    this.#isExplained ||= !runs
    this.#read(body['query'], scope)
    this.#isExplained = before
  }

  #createAs(body: Tree, scope: Scope): void {
    const isView = text(body, 'objtype') === 'OBJECT_MATVIEW'
    if (!this.#isExplained) this.found.is('ddl', [isView ? 'create-view' : 'create-table'])
    this.#table(field(field(body, 'into'), 'rel'), true)
    this.#read(body['query'], scope)
  }

  #createFunction(body: Tree, scope: Scope): void {
    for (const option of list(body, 'options').map(each => bodyOf(each, 'DefElem'))) {
      const name = text(option, 'defname')
      if (name === 'security' && flag(bodyOf(option?.['arg'], 'Boolean'), 'boolval'))
        this.found.is('ddl', ['security-definer'])
      if (name === 'language') this.#language(option)
      if (name === 'set') this.#setting(bodyOf(option?.['arg'], 'VariableSetStmt'), 'later')
    }
    this.#read(body['parameters'], scope)
    this.#read(body['sql_body'], scope)
  }

  #language(option: Tree | undefined): void {
    const language = text(bodyOf(option?.['arg'], 'String'), 'sval')?.toLowerCase()
    if (language !== 'sql' && language !== 'plpgsql') this.found.is('ddl', ['untrusted-language'])
  }

  #createTrigger(body: Tree, scope: Scope): void {
    this.found.function(names(list(body, 'funcname')).join('.'))
    for (const key of ['relation', 'constrrel', 'whenClause']) this.#read(body[key], scope)
  }

  #alterTable(body: Tree, scope: Scope): void {
    const kind = text(body, 'subtype') ?? ''
    if (kind === 'AT_DropColumn') this.found.is('ddl', ['drop', 'drop-column'])
    if (kind === 'AT_ChangeOwner') this.found.is('privilege', ['alter-owner'])
    if (/^AT_Disable(?:Trig|Rule)/.test(kind)) this.found.is('ddl', ['disable-trigger'])
    if (kind === 'AT_DisableRowSecurity' || kind === 'AT_NoForceRowSecurity')
      this.found.is('privilege', ['disable-row-security'])
    this.#children(body, scope)
  }

  #grant(body: Tree, scope: Scope): void {
    const words = [flag(body, 'is_grant') ? 'grant' : 'revoke'] as const
    this.found.is('privilege', Array.isArray(body['granted_roles']) ? [...words, 'grant-role'] : words)
    if (text(body, 'targtype') === 'ACL_TARGET_ALL_IN_SCHEMA' && text(body, 'objtype') === 'OBJECT_TABLE')
      for (const schema of names(list(body, 'objects'))) this.#wholeSchema(schema, true)
    this.#children(body, scope)
  }

  #alterRoleSet(body: Tree, scope: Scope): void {
    if (field(body, 'role') === undefined) this.#role('AlterRoleSetStmt', { word: 'all' })
    this.#setting(field(body, 'setstmt'), 'elsewhere')
    this.#read(body['role'], scope)
  }

  #drop(body: Tree): void {
    const kind = text(body, 'removeType') ?? ''
    const word = droppedWords[kind]
    if (word !== undefined) this.found.is('ddl', [word])
    for (const object of list(body, 'objects')) {
      if (kind === 'OBJECT_SCHEMA') this.#wholeSchema(text(bodyOf(object, 'String'), 'sval'), true)
      else this.#objectTable(qualifiedName(object), kind)
    }
  }

  #rename(body: Tree, scope: Scope): void {
    const kind = text(body, 'renameType')
    if (kind === 'OBJECT_SCHEMA') this.#wholeSchema(text(body, 'subname'), false)
    this.#objects(body, [body['object']], kind, scope)
  }

  #alterOwner(body: Tree, scope: Scope): void {
    if (text(body, 'objectType') === 'OBJECT_SCHEMA')
      this.#wholeSchema(text(bodyOf(body['object'], 'String'), 'sval'), false)
    this.#children(body, scope)
  }

  /** All tables of a schema are `schema.*`; `write` where the statement reaches into them, and not just calls them otherwise. */
  #wholeSchema(schema: string | undefined, write: boolean): void {
    if (schema !== undefined) this.found.table(schema, '*', write)
  }

  #objects(body: Tree, objects: readonly unknown[], kind: string | undefined, scope: Scope): void {
    for (const object of objects) this.#objectTable(qualifiedName(object), kind ?? '')
    if (kind === 'OBJECT_ROLE') this.#namedRole(body)
    this.#read(body['relation'], scope)
  }

  /** The table of an object that is written as a list of names: itself, or what its column, trigger, rule or policy belongs to. */
  #objectTable(path: readonly string[], kind: string): void {
    const own = tableKinds.has(kind) ? path : partKinds.has(kind) ? path.slice(0, -1) : []
    const name = own.at(-1)
    if (name === undefined) return
    const table = this.found.table(own.at(-2), name, true)
    const column = kind === 'OBJECT_COLUMN' ? path.at(-1) : undefined
    if (column !== undefined) this.found.column(table, column)
  }

  #transaction(body: Tree): void {
    const word = transactionWords[text(body, 'kind') ?? '']
    this.found.is('transaction', word === undefined ? ['unknown'] : [word])
    for (const option of list(body, 'options')) this.#read(option, new Scope())
  }

  // Settings and roles

  #setting(body: Tree | undefined, how: Setting['how']): void {
    if (body === undefined) return
    this.found.hasReadLiteral = true
    const words = how === 'set' ? roleWordsOf(body) : []
    if (words.length > 0) this.found.is('session', words)
    const setting = settingOf(body, how)
    if (setting !== undefined) this.found.settings.push(setting)
  }

  #roles(type: string, body: Tree): void {
    for (const role of rolesIn(type, body)) this.#role(type, role)
  }

  #namedRole(body: Tree): void {
    const name = text(body, 'subname') ?? text(bodyOf(body['object'], 'String'), 'sval')
    if (name !== undefined) this.#role('AlterRoleStmt', { name })
  }

  #role(statement: string, role: RoleUse['role']): void {
    this.found.roles.push({ statement, role })
  }
}

const selectFields = new Set(['withClause', 'larg', 'rarg', 'fromClause', 'intoClause'])
const changeFields = new Set(['withClause', 'relation', 'fromClause', 'usingClause'])
const mergeFields = new Set(['withClause', 'relation', 'sourceRelation'])
const tableKinds = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
])
const partKinds = new Set([
  'OBJECT_COLUMN',
  'OBJECT_TRIGGER',
  'OBJECT_RULE',
  'OBJECT_POLICY',
  'OBJECT_TABCONSTRAINT',
])
function isGrant(tree: Tree): boolean {
  return text(tree, 'targtype') !== undefined && Array.isArray(tree['grantees'])
}

function aliasOf(body: Tree): string | undefined {
  return text(field(body, 'alias'), 'aliasname')
}

/** The last one counts in PostgreSQL; one that is not plainly off counts here. */
function isOff(option: Tree | undefined): boolean {
  const value = option?.['arg']
  const word = text(bodyOf(value, 'String'), 'sval')?.toLowerCase()
  const number = bodyOf(value, 'Integer')
  if (number !== undefined) return (number['ival'] ?? 0) === 0
  const truth = bodyOf(value, 'Boolean')
  if (truth !== undefined) return !flag(truth, 'boolval')
  return word === 'false' || word === 'off'
}

/** Whether a condition depends on the row: it names a column, or asks a sub-select or a cursor. `WHERE true` does not. */
function namesColumn(condition: unknown): boolean {
  if (Array.isArray(condition)) return condition.some(namesColumn)
  if (!isTree(condition)) return false
  const type = nodeOf(condition)?.type
  if (type === 'ColumnRef' || type === 'SubLink' || type === 'CurrentOfExpr') return true
  for (const child of childrenOf(condition)) if (namesColumn(child)) return true
  return false
}
