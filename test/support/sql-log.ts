/** What ran, from two sides: the server's own log with `log_statement = all`, and our recording. */
import type { EventRecord } from '../../src/recorder/event.ts'
import { sqlEntries } from '../../src/recorder/sql-statements.ts'

/** One entry may have several lines. */
function logEntries(log: string): readonly string[] {
  const entries: string[] = []
  for (const line of log.split('\n')) {
    if (line.startsWith('\t')) entries.push(`${entries.pop() ?? ''}\n${line.slice(1)}`)
    else entries.push(line)
  }
  return entries
}

/** The role of a session, and the function or the text that it ran. */
const statementLine =
  /^\[\d+\] (sp_[^@]*)@.*? LOG: {2}(?:statement|execute .*?|(?:fastpath function call)): (?:"(\w+)" \(OID \d+\)$)?([\s\S]*)$/

function logged(entry: string): { readonly role: string; readonly text: string } | undefined {
  const [, role, functionName, text] = statementLine.exec(entry) ?? []
  if (role === undefined || text === undefined) return undefined
  return { role, text: functionName ?? text }
}

/** Texts that roles of sessions ran, in order, from the log of `startPostgres`. */
export function loggedStatements(log: string): readonly string[] {
  return logEntries(log).flatMap(entry => logged(entry)?.text ?? [])
}

/**
 * The same from a recording: what the server began to run. It logs no text that it could not parse (42601), nothing of what failed in
 * Parse or Bind or was skipped, and no empty statement of the extended protocol.
 */
export function ranStatements(events: Iterable<EventRecord>): readonly string[] {
  const ran: string[] = []
  let last = 0
  for (const entry of sqlEntries(events)) {
    if (entry.kind !== 'result') continue
    const { result } = entry
    const { of, statement, status, during, sqlstate } = result
    if (status === 'empty' && of?.how === 'execute') continue
    if (status === 'skipped' || during !== undefined || statement === last) continue
    if (of?.how === 'simple' && sqlstate === '42601') continue
    if (sqlstate === '34000' && of?.text === undefined) continue
    last = statement
    ran.push(result.ran ?? of?.text ?? functionText(of?.function))
  }
  return ran
}

function functionText(name: string | undefined): string {
  return name ?? 'unknown'
}

/** The same for each session, whose role is its own; in the order of their first statements. */
export function loggedSessions(log: string): ReadonlyMap<string, readonly string[]> {
  const sessions = new Map<string, string[]>()
  for (const line of logEntries(log)) {
    const said = logged(line)
    if (said === undefined) continue
    const known = sessions.get(said.role)
    if (known === undefined) sessions.set(said.role, [said.text])
    else known.push(said.text)
  }
  return sessions
}

/** Results whose count of rows is not the one in the server's own words: `SELECT 5`, `FETCH 3`, `COPY 7`. */
export function miscounted(events: Iterable<EventRecord>): readonly unknown[] {
  const wrong: unknown[] = []
  for (const entry of sqlEntries(events)) {
    if (entry.kind !== 'result' || entry.result.status !== 'done') continue
    const { tag = '', rows, columns } = entry.result
    const said = /^(?:SELECT|FETCH) (\d+)$/.exec(tag)?.[1]
    if (said === undefined || columns === undefined) continue
    if (Number(said) !== rows) wrong.push({ tag, rows })
  }
  return wrong
}
