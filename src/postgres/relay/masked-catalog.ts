/** Finds what a rule's `mask` means in one database: columns by number, and all that could show them by another way. */
import type { MaskedTable, MaskedTables } from '../../analysis/sql/masked-tables.ts'
import type { MaskKind, MaskRule } from '../../config/config.ts'
import { matchesColumn } from '../../config/relation-pattern.ts'
import type { BrokerConnection, Row } from '../../credentials/postgres/broker.ts'
import { Fault } from '../../errors.ts'

export type MaskedCatalog = {
  /** By `columnKey`. */
  readonly columns: ReadonlyMap<number, ReadonlyMap<number, MaskKind>>
  /** By name, for tables that were made after the look-up. */
  readonly names: ReadonlyMap<string, MaskKind>
  /** Tables that were there at the look-up, by OID. */
  readonly known: ReadonlySet<number>
  readonly tables: MaskedTables
}

/** A database with more is not one that we can mask: the look-up would take seconds of each session's start. */
const maxRows = 200_000

/** Columns of user tables; system columns too, since a statement may name them. Patterns narrow it down to tables of such names. */
const columnsSql = `
  select c.oid::int8 as "table", n.nspname as "schema", c.relname as "name", a.attname as "column", a.attnum as "attribute"
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where c.relkind in ('r', 'p', 'f', 'm', 'v') and not a.attisdropped
    and (c.relname like any ($1) or c.oid = any ($2))
    and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
  limit ${maxRows + 1}`

/** Partitions, children and parents, however far: one's rows show in the other. */
const familySql = `
  with recursive family(oid) as (
    select unnest($1::oid[])
    union
    select case when i.inhparent = f.oid then i.inhrelid else i.inhparent end
    from family f join pg_catalog.pg_inherits i on f.oid in (i.inhparent, i.inhrelid))
  select oid::int8 as "table" from family limit ${maxRows + 1}`

/** Views, materialized views and rules that read them, however far. */
const viewsSql = `
  with recursive reads(oid) as (
    select unnest($1::oid[])
    union
    select w.ev_class from reads r
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = r.oid
      and d.classid = 'pg_catalog.pg_rewrite'::regclass
    join pg_catalog.pg_rewrite w on w.oid = d.objid)
  select c.oid::int8 as "table", n.nspname as "schema", c.relname as "name"
  from reads join pg_catalog.pg_class c using (oid) join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid <> all ($1) limit ${maxRows + 1}`

/** Functions that are not in C: what they read, nobody sees. */
const functionsSql = `
  select distinct p.proname as "name" from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang
  where l.lanname not in ('internal', 'c') and n.nspname not in ('pg_catalog', 'information_schema')
  limit ${maxRows + 1}`

const knownSql = `
  select oid::int8 as "table" from pg_catalog.pg_class where relkind in ('r', 'p', 'f', 'm', 'v') limit ${maxRows + 1}`

/** Throws Fault UPSTREAM_FAILED where the look-up fails or finds too much: without it nothing can be masked. */
export async function lookUpMasked(
  connection: BrokerConnection,
  rules: readonly MaskRule[],
): Promise<MaskedCatalog> {
  const ask = (sql: string, values?: readonly unknown[]) => limited(connection, sql, values)
  const own = (await ask(columnsSql, [likePatterns(rules), []])).map(columnOf)
  const roots = new Set(own.filter(column => kindOf(rules, column) !== undefined).map(({ table }) => table))
  const family = (await ask(familySql, [[...roots]])).map(row => Number(row['table']))
  const all = (await ask(columnsSql, [[], family])).map(columnOf)
  const columns = maskedColumns(rules, all, roots)
  return {
    columns,
    names: new Map(all.flatMap(each => named(columns, each))),
    known: new Set((await ask(knownSql)).map(row => Number(row['table']))),
    tables: {
      tables: tablesOf(columns, all),
      views: (await ask(viewsSql, [family])).map(row => ({
        schema: String(row['schema']),
        name: String(row['name']),
      })),
      functions: (await ask(functionsSql)).map(row => String(row['name'])),
    },
  }
}

type CatalogColumn = {
  readonly table: number
  readonly schema: string
  readonly name: string
  readonly column: string
  readonly attribute: number
}

async function limited(
  connection: BrokerConnection,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const rows = await connection.query(sql, values)
  if (rows.length <= maxRows) return rows
  throw new Fault('UPSTREAM_FAILED', 'This database has too many tables for columns to be masked.')
}

function columnOf(row: Row): CatalogColumn {
  return {
    table: Number(row['table']),
    schema: String(row['schema']),
    name: String(row['name']),
    column: String(row['column']),
    attribute: Number(row['attribute']),
  }
}

/** The table's part of each pattern, as LIKE has it. */
function likePatterns(rules: readonly MaskRule[]): string[] {
  const tables = rules.flatMap(({ columns }) => columns.map(pattern => pattern.split('.').at(-2) ?? ''))
  return tables.map(table => table.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%'))
}

/** The first rule that names a column says how it is masked. */
function kindOf(
  rules: readonly MaskRule[],
  { schema, name, column, attribute }: CatalogColumn,
): MaskKind | undefined {
  if (attribute <= 0) return undefined
  return rules.find(rule => rule.columns.some(pattern => matchesColumn(pattern, { schema, name }, column)))
    ?.with
}

/** In the family of a masked table, a column of the same name is the same column. */
function maskedColumns(
  rules: readonly MaskRule[],
  all: readonly CatalogColumn[],
  roots: ReadonlySet<number>,
): Map<number, Map<number, MaskKind>> {
  const inherited = new Map<string, MaskKind>()
  for (const column of all) {
    const kind = roots.has(column.table) ? kindOf(rules, column) : undefined
    if (kind !== undefined && !inherited.has(column.column)) inherited.set(column.column, kind)
  }
  const found = new Map<number, Map<number, MaskKind>>()
  for (const column of all) {
    const kind = kindOf(rules, column) ?? (column.attribute > 0 ? inherited.get(column.column) : undefined)
    if (kind === undefined) continue
    const own = found.get(column.table) ?? new Map<number, MaskKind>()
    found.set(column.table, own.set(column.attribute, kind))
  }
  return found
}

function named(
  columns: ReadonlyMap<number, ReadonlyMap<number, MaskKind>>,
  { table, attribute, column }: CatalogColumn,
): [string, MaskKind][] {
  const kind = columns.get(table)?.get(attribute)
  return kind === undefined ? [] : [[column, kind]]
}

function tablesOf(
  columns: ReadonlyMap<number, ReadonlyMap<number, MaskKind>>,
  all: readonly CatalogColumn[],
): MaskedTable[] {
  const byTable = Map.groupBy(all, ({ table }) => table)
  return [...columns].flatMap(([table, masked]) => {
    const own = byTable.get(table) ?? []
    const [first] = own
    if (first === undefined) return []
    return {
      schema: first.schema,
      name: first.name,
      masked: own.filter(({ attribute }) => masked.has(attribute)).map(({ column }) => column),
      columns: own.map(({ column }) => column),
    }
  })
}
