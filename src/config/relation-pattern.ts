/**
 * Names of tables and columns as rules write them: `customers`, `public.customers`, `payments.card_*`. Names are compared as the
 * catalogs hold them (lower case, unless they were created in double quotes); `*` stands for any characters of one part.
 */
import { read, type Reading, unreadable } from './reading.ts'
import { matchesWildcard } from './wildcard.ts'

/** PostgreSQL cuts names at 63 bytes; three of them and two dots. */
const MAX_LENGTH = 200
const PART = /^[^\p{C}\p{Z}."]{1,63}$/u

/** `table` or `schema.table`. */
export function parseTablePattern(value: unknown): Reading<string> {
  return parsePattern(value, [1, 2], 'a table, such as customers or audit.customers')
}

/** `table.column` or `schema.table.column`. */
export function parseColumnPattern(value: unknown): Reading<string> {
  return parsePattern(value, [2, 3], 'a column of a table, such as payments.card_number')
}

/** `table`, `table.column` or `schema.table.column`. */
export function parseSensitivePattern(value: unknown): Reading<string> {
  return parsePattern(value, [1, 2, 3], 'a table or one of its columns, such as customers or payments.card_*')
}

function parsePattern(value: unknown, lengths: readonly number[], what: string): Reading<string> {
  const parts = typeof value === 'string' && value.length <= MAX_LENGTH ? value.split('.') : []
  return lengths.includes(parts.length) && parts.every(part => PART.test(part))
    ? read(String(value))
    : unreadable(`must be ${what}`)
}

/** A table as a statement names it; without a schema it may be in any. */
export type TableName = { readonly schema?: string | undefined; readonly name: string }

/**
 * Whether `table` or `schema.table` may mean this table. Where only one of both names a schema, the name alone decides: the
 * search path could make it that one.
 */
export function matchesTable(pattern: string, { schema, name }: TableName): boolean {
  const parts = pattern.split('.')
  const wanted = parts.at(-1) ?? ''
  const wantedSchema = parts.length > 1 ? parts[0] : undefined
  if (!matchesWildcard(wanted, name)) return false
  return wantedSchema === undefined || schema === undefined || matchesWildcard(wantedSchema, schema)
}

/** The same for `table.column` and `schema.table.column`. */
export function matchesColumn(pattern: string, table: TableName, column: string): boolean {
  const parts = pattern.split('.')
  return matchesWildcard(parts.at(-1) ?? '', column) && matchesTable(parts.slice(0, -1).join('.'), table)
}
