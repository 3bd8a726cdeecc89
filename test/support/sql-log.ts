/** What ran, from two sides: the server's own log with `log_statement = all`, and our recording. */
import type { EventRecord } from '../../src/recorder/event.ts'
import { sqlEntries } from '../../src/recorder/sql-statements.ts'

/** Texts that roles of sessions ran, in order, from the log of `startPostgres`. */
export function loggedStatements(log: string): readonly string[] {
  const entries: string[] = []
  for (const line of log.split('\n')) {
    if (line.startsWith('\t')) entries.push(`${entries.pop() ?? ''}\n${line.slice(1)}`)
    else entries.push(line)
  }
  return entries.flatMap(entry => {
    const said =
      /^\[\d+\] sp_[^@]*@.*? LOG: {2}(?:statement|execute .*?|fastpath function call): ([\s\S]*)$/.exec(entry)
    return said?.[1] === undefined ? [] : [said[1]]
  })
}

/**
 * The same from a recording: what the server began to run. It logs no text that it could not parse (42601), and nothing of what failed in
 * Parse or Bind or was skipped.
 */
export function ranStatements(events: Iterable<EventRecord>): readonly string[] {
  const ran: string[] = []
  let last = 0
  for (const entry of sqlEntries(events)) {
    if (entry.kind !== 'result') continue
    const { result } = entry
    const { of, statement, status, during, sqlstate } = result
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
