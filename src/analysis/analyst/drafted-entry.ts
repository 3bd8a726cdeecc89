/** The entry that a draft becomes: all texts without secrets, and none longer than is stored. */
import type { StatementFacts, StatementTable } from '../../model.ts'
import type { CommandDetail, Entry, StatementDetail } from '../entry.ts'
import { redact, redactStatement } from './redact.ts'
import type { Draft, Told } from './teller.ts'

/** Characters of a text that is stored; the recording has all of it. */
const maxTextLength = 8192
/** Tables of one statement. */
const maxTables = 200
/** Programs at a terminal that read SQL, and the one whose SQL is PostgreSQL's. */
const sqlPrograms: ReadonlySet<string> = new Set(['psql', 'mysql', 'sqlite3'])

/** The session, as far as entries name it. */
export type EntryPlace = { readonly session: string; readonly openedAtMs: number }

/** `facts` as the grammar said them, if it was asked. */
export function entryOf(
  { number, draft }: Pick<Told, 'number' | 'draft'>,
  place: EntryPlace,
  facts?: StatementFacts,
): Entry {
  const { kind, us, command, statement, file } = draft
  const offsetMs = Math.floor(us / 1000)
  return {
    session: place.session,
    number,
    kind,
    atMs: place.openedAtMs + offsetMs,
    offsetMs,
    text: textOf(draft),
    ...(command === undefined ? {} : { command: withoutSecrets(command) }),
    ...(statement === undefined ? {} : { statement: withFacts(statement, facts) }),
    ...(file === undefined ? {} : { file }),
  }
}

function textOf({ kind, text, runs, command }: Draft): string {
  const whole =
    runs === undefined
      ? text
      : kind === 'statement'
        ? `${text}\n-- runs: ${runs}`
        : `${text}\n# runs: ${runs}`
  if (kind === 'screen') return whole // redacted line by line, as it was shown
  const isSql = kind === 'statement' || sqlPrograms.has(command?.program ?? '')
  return cut(isSql ? redactStatement(whole) : redact(whole), maxTextLength)
}

function withoutSecrets(command: CommandDetail): CommandDetail {
  const { decoded } = command
  return decoded === undefined
    ? command
    : { ...command, decoded: decoded.map(text => cut(redact(text), maxTextLength)) }
}

function withFacts(statement: StatementDetail, facts: StatementFacts | undefined): StatementDetail {
  const { message } = statement
  return {
    ...statement,
    ...(facts === undefined ? {} : { class: facts.class, tables: tablesOf(facts.tables) }),
    ...(facts?.reason === undefined ? {} : { unparsed: redactStatement(facts.reason) }),
    ...(facts?.fingerprint === undefined ? {} : { fingerprint: facts.fingerprint }),
    ...(message === undefined ? {} : { message: redactStatement(message) }),
  }
}

function tablesOf(tables: readonly StatementTable[]): string[] {
  const names = tables.map(({ schema, name }) => (schema === undefined ? name : `${schema}.${name}`))
  return [...new Set(names)].slice(0, maxTables)
}

export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}
