/** A PostgreSQL session as text, line by line: for a terminal, a page and the export. */
import type { SqlValue } from './sql-event.ts'
import type { SqlEntry, SqlResult, SqlStatement } from './sql-statements.ts'

/** Of a text that is shown: more than anybody reads. The export has all of it. */
const shownCharacters = 16 * 1024
/** Of one value in a list of parameters or rows. */
const shownValueCharacters = 200
const shownParameters = 50

/** Lines without their ends and as they were said: whoever shows them makes them printable. `whole`: no text is cut. */
export function linesOf(entry: SqlEntry, whole = false): readonly string[] {
  switch (entry.kind) {
    case 'statement':
      return statementLines(entry.statement, whole)
    case 'prepared':
      return statementLines(entry.statement, whole, 'prepared ')
    case 'result':
      return resultLines(entry.result)
    case 'note':
      return [`${clock(entry.us)}         ${entry.text}`]
  }
}

function statementLines(statement: SqlStatement, whole: boolean, how = ''): readonly string[] {
  const head = `${clock(statement.us)}  #${statement.statement}`.padEnd(16)
  const [first = '', ...rest] = shownText(statement, whole).split('\n')
  const lines = [
    `${head} ${how}${labels(statement)}${first}`,
    ...rest.map(line => ` ${' '.repeat(16)}${line}`),
  ]
  if (statement.executes !== undefined) lines.push(indented(`runs: ${oneLine(statement.executes)}`))
  const { parameters } = statement
  for (const [index, value] of parameters.slice(0, shownParameters).entries())
    lines.push(indented(`$${index + 1} = ${shownValue(value)}`))
  if (parameters.length > shownParameters)
    lines.push(indented(`and ${parameters.length - shownParameters} parameters more`))
  return lines
}

function labels({ name, portal, maxRows }: SqlStatement): string {
  const said = [
    name === undefined ? '' : `statement ${name}`,
    portal === undefined ? '' : `portal ${portal}`,
    maxRows === undefined ? '' : `at most ${maxRows} rows`,
  ].filter(label => label !== '')
  return said.length === 0 ? '' : `[${said.join(', ')}] `
}

function shownText(statement: SqlStatement, whole: boolean): string {
  const text = statement.text ?? statement.function ?? '(its text was not told)'
  if (whole || text.length <= shownCharacters) return text
  return `${text.slice(0, shownCharacters)}… (${text.length - shownCharacters} characters more)`
}

function resultLines(result: SqlResult): readonly string[] {
  const lines = [indented(outcomeOf(result))]
  if (result.ran !== undefined)
    lines.push(indented(result.ran === null ? 'what ran is not known' : `what ran: ${oneLine(result.ran)}`))
  if (result.head === undefined) return lines
  const names = result.columns?.map(({ name }) => name).join(' | ')
  if (names !== undefined) lines.push(indented(names))
  for (const row of result.head) lines.push(indented(row.map(shownValue).join(' | ')))
  return lines
}

/** One line: what became of it. */
export function outcomeOf(result: SqlResult): string {
  const { status, tag, rows, bytes, durationUs, sqlstate, message, blocked, copy, part } = result
  const which = part > 1 ? `(${part}) ` : ''
  const took = durationUs === undefined ? '' : `, ${milliseconds(durationUs)}`
  const volume =
    copy === undefined ? '' : `, COPY ${copy.direction} ${copy.bytes} bytes, SHA-256 ${copy.sha256}`
  const size = rows === undefined ? '' : `, ${rows} ${rows === 1 ? 'row' : 'rows'}, ${bytes ?? 0} bytes`
  const masked = result.masked ? ', masked' : ''
  if (blocked !== undefined) return `→ ${which}refused by the gateway (${blocked})${took}: ${message ?? ''}`
  const when = result.during === undefined ? '' : ` (${result.during})`
  if (status === 'error')
    return `→ ${which}error${when} ${sqlstate ?? ''}: ${message ?? ''}${size}${volume}${took}`
  const words = status === 'done' ? (tag ?? 'done') : statusTexts[status]
  return `→ ${which}${words}${size}${masked}${volume}${took}`
}

const statusTexts = {
  skipped: 'not run, because something before it failed',
  suspended: 'more rows are there',
  empty: 'an empty statement',
  unfinished: 'the connection ended before it was done',
} as const

export function shownValue(value: SqlValue): string {
  if (value.null === true) return 'NULL'
  const shown = value.text ?? (value.base64 === undefined ? '' : `base64 ${value.base64}`)
  const cut = shown.length > shownValueCharacters ? `${shown.slice(0, shownValueCharacters)}…` : shown
  const size = value.bytes === undefined ? '' : ` (${value.bytes} bytes, SHA-256 ${value.sha256 ?? ''})`
  return `${oneLine(cut)}${size}`
}

function indented(text: string): string {
  return `${' '.repeat(17)}${oneLine(text)}`
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ')
}

function milliseconds(us: number): string {
  return us < 1000 ? `${us} µs` : `${(us / 1000).toFixed(us < 10_000 ? 2 : us < 100_000 ? 1 : 0)} ms`
}

/** `0:01:02.345`. */
export function clock(us: number): string {
  const ms = Math.floor(us / 1000)
  const pad = (value: number, digits: number): string => String(value).padStart(digits, '0')
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}.${pad(ms % 1000, 3)}`
}
