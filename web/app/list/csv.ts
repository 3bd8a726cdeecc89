/** The list as a file for spreadsheets. */
import type { SessionSummary } from '../../../src/api/schema.ts'
import { isoOf } from '../parts/time.tsx'

const columns: readonly (readonly [string, (session: SessionSummary) => string | number])[] = [
  ['id', ({ id }) => id],
  ['opened', ({ openedAtMs }) => isoOf(openedAtMs)],
  ['ended', ({ endedAtMs }) => (endedAtMs === undefined ? '' : isoOf(endedAtMs))],
  ['protocol', ({ protocol }) => protocol],
  ['state', ({ state }) => state],
  ['user', ({ principal }) => principal],
  ['address', ({ sourceAddress }) => sourceAddress],
  ['target', ({ target }) => target],
  ['login', ({ login }) => login],
  ['findings', ({ findings }) => findings],
  ['worst', ({ worst }) => worst ?? ''],
  ['assigned to', ({ assignee }) => assignee ?? ''],
  ['reviewed by', ({ reviewedBy }) => reviewedBy.join('; ')],
  ['recording', ({ integrity }) => integrity],
]

export function csvOf(sessions: readonly SessionSummary[]): string {
  const lines = [
    columns.map(([name]) => name),
    ...sessions.map(session => columns.map(([, of]) => of(session))),
  ]
  return lines.map(cells => `${cells.map(cell => cellOf(String(cell))).join(',')}\r\n`).join('')
}

/** As in exports of recordings: behind blanks too, and full-width characters, which some spreadsheets read as the usual ones. */
const formula = /^\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/

/** Quoted (RFC 4180); what a spreadsheet would take for a formula gets an apostrophe before it. */
function cellOf(text: string): string {
  const tame = formula.test(text) || /^[\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(tame) ? `"${tame.replaceAll('"', '""')}"` : tame
}

export function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/csv' }))
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}
