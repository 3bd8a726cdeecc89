/** `sallyport play` for PostgreSQL sessions: statements with their times and results. */
import { Fault } from '../errors.ts'
import { type ReadOptions, readRecording } from '../recorder/reader.ts'
import { type SqlEntry, sqlEntries } from '../recorder/sql-statements.ts'
import { linesOf, outcomeOf } from '../recorder/sql-text.ts'
import { printableLine } from './print.ts'
import { clockText, type Pace, Playback } from './playback.ts'

export type SqlStart = { readonly statement: number | undefined; readonly startUs: number }

/** A recording's file, and what opens it. */
export type Readable = ReadOptions & { readonly path: string }

/** Replays the session from a statement or an instant on. */
export async function playStatements(file: Readable, pace: Pace, start: SqlStart): Promise<void> {
  const playback = new Playback(pace)
  const reader = readRecording(file.path, file)
  const release = playback.takeKeys()
  try {
    const { principal, login, target, openedAt } = reader.header
    const headline = `${principal.name} as ${login}@${target.name}, ${openedAt}`
    const last = await show(sqlEntries(reader.events()), playback, { ...start, headline })
    if (last !== undefined) throw new Fault('NOT_FOUND', notThere(start, last))
    playback.say(playback.stopped ? 'left' : 'end')
  } finally {
    release()
    reader.close()
  }
}

function notThere({ statement }: SqlStart, last: number): string {
  if (statement === undefined) return 'Nothing happened from then on: the session is shorter.'
  if (last === 0) return 'No statement was recorded in this session.'
  return `There is no statement ${statement}: the last one is ${last}. "--list" shows them.`
}

/** Undefined once it began; the number of the last statement if there is nothing from there on. */
async function show(
  entries: Iterable<SqlEntry>,
  playback: Playback,
  start: SqlStart & { readonly headline: string },
): Promise<number | undefined> {
  let shownUs = -1
  let last = 0
  for (const entry of entries) {
    if (entry.kind === 'statement') last = Math.max(last, entry.statement.statement)
    if (shownUs < 0 && !begins(entry, start)) continue
    if (shownUs < 0) playback.say(start.headline)
    const us = usOf(entry)
    await playback.wait(shownUs < 0 ? 0 : us - shownUs)
    if (playback.stopped) return undefined
    shownUs = Math.max(us, shownUs, 0)
    for (const line of linesOf(entry)) process.stdout.write(`${printableLine(line)}\n`)
  }
  return shownUs >= 0 ? undefined : last
}

function begins(entry: SqlEntry, { statement, startUs }: SqlStart): boolean {
  if (statement === undefined) return usOf(entry) >= startUs
  return entry.kind === 'statement' && entry.statement.statement >= statement
}

function usOf(entry: SqlEntry): number {
  if (entry.kind === 'note') return entry.us
  return entry.kind === 'result' ? entry.result.us : entry.statement.us
}

/** Longest beginning of a text in a list. */
const listedCharacters = 120

/** One line for each result. */
export function listStatements(file: Readable): void {
  const reader = readRecording(file.path, file)
  let count = 0
  try {
    for (const entry of sqlEntries(reader.events())) {
      if (entry.kind !== 'result') continue
      const { of, statement } = entry.result
      const text = (of?.text ?? of?.function ?? '').replaceAll(/\s+/g, ' ').slice(0, listedCharacters)
      const line = `${String(statement).padStart(6)}  ${clockText(of?.us ?? entry.result.us)}  ${text}  ${outcomeOf(entry.result)}`
      process.stdout.write(`${printableLine(line)}\n`)
      count++
    }
  } finally {
    reader.close()
  }
  if (count === 0) process.stdout.write('No statements were recorded.\n')
}
