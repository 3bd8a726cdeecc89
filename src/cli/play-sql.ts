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
    playback.say(`${principal.name} as ${login}@${target.name}, ${openedAt}`)
    const found = await show(sqlEntries(reader.events()), playback, start)
    if (!found && start.statement !== undefined)
      throw new Fault('NOT_FOUND', `There is no statement ${start.statement}. "--list" shows them.`)
  } finally {
    release()
    reader.close()
    playback.say(playback.stopped ? 'left' : 'end')
  }
}

/** Whether it began: the statement that was asked for is there. */
async function show(entries: Iterable<SqlEntry>, playback: Playback, start: SqlStart): Promise<boolean> {
  let shownUs = -1
  for (const entry of entries) {
    if (shownUs < 0 && !begins(entry, start)) continue
    const us = usOf(entry)
    await playback.wait(shownUs < 0 ? 0 : us - shownUs)
    if (playback.stopped) return true
    shownUs = Math.max(us, shownUs, 0)
    for (const line of linesOf(entry)) process.stdout.write(`${printableLine(line)}\n`)
  }
  return shownUs >= 0
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
