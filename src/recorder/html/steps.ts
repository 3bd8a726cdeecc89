/** A session as steps that a page can play: screens and what changed on them, commands, statements. */
import { type ChannelAbout, channelOf, note, type Size, sizeOf, usualSize } from '../choose-channel.ts'
import { carriesData, commandOf, type EventRecord, type TextEvent } from '../event.ts'
import { MovedFiles } from '../moved-file.ts'
import { type SqlEntry, sqlEntries } from '../sql-statements.ts'
import { linesOf } from '../sql-text.ts'
import { printableText } from '../table.ts'
import { newTerminal, type Terminal, write } from '../terminal.ts'
import { terminalSafe } from '../terminal-safe.ts'
import { rowsOf, type Run } from './screen-rows.ts'

/** The first is what it is, the second when (microseconds since the opening), the third the channel. */
export type Step =
  /** A whole screen: columns, rows, the cursor's column and row, the rows. */
  | readonly ['screen', number, number, number, number, number, number, readonly (readonly Run[])[]]
  /** The cursor, the rows that changed, with their numbers, and by how many rows all went up before that. */
  | readonly [
      'change',
      number,
      number,
      number,
      number,
      readonly (readonly [number, readonly Run[]])[],
      number,
    ]
  /** Something to jump to. */
  | readonly ['mark', number, number, string]
  /** A statement or its result; how it is shown. */
  | readonly ['sql', number, 0, 'statement' | 'result' | 'error' | 'note', string]

/** Screens of one channel follow each other no faster than an eye can see. */
const stepUs = 40_000
/** A whole screen follows so many changes: a jump draws no more than these. */
const changesPerScreen = 200
/** Terminals that are followed at once; the output of more is not shown. */
const maxChannels = 64

export function stepsOf(records: Iterable<EventRecord>, protocol: string): Generator<Step> {
  return protocol === 'postgres' ? sqlSteps(records) : new SshSteps().steps(records)
}

type Screened = {
  readonly terminal: Terminal
  /** The rows as they were last told, as JSON. */
  told: readonly string[]
  changes: number
  isDirty: boolean
  lastUs: number
  toldUs: number
}

class SshSteps {
  readonly #about = new Map<number, ChannelAbout>()
  readonly #screens = new Map<number, Screened>()
  readonly #files = new MovedFiles();

  *steps(records: Iterable<EventRecord>): Generator<Step> {
    for (const record of records) {
      const { us, event } = record
      yield* this.#settle(us)
      note(this.#about, record)
      const channel = channelOf(event)
      if (channel === undefined) continue
      if (!carriesData(event)) yield* this.#told(us, channel, record, event)
      else if (event.type !== 'input') yield* this.#show(us, channel, event.data)
    }
    yield* this.#settle(Infinity)
  }

  /** What was shown and not told yet, and stood long enough to be seen. */
  *#settle(us: number): Generator<Step> {
    for (const [channel, screened] of this.#screens)
      if (screened.isDirty && us - screened.lastUs >= stepUs) yield* tell(channel, screened)
  }

  *#show(us: number, channel: number, data: Buffer): Generator<Step> {
    const screened = this.#screens.get(channel) ?? this.#begin(channel, us)
    if (screened === undefined) return
    write(screened.terminal, data)
    screened.isDirty = true
    screened.lastUs = us
    if (us - screened.toldUs >= stepUs) yield* tell(channel, screened)
  }

  #begin(channel: number, us: number): Screened | undefined {
    if (this.#screens.size >= maxChannels) return undefined
    const size = this.#about.get(channel)?.terminal
    const terminal = terminalOf(size)
    const screened = { terminal, told: [], changes: 0, isDirty: true, lastUs: us, toldUs: us - stepUs }
    this.#screens.set(channel, screened)
    return screened
  }

  *#told(us: number, channel: number, record: EventRecord, event: TextEvent): Generator<Step> {
    const screened = this.#screens.get(channel)
    if (event.type === 'resize' && screened !== undefined) {
      const { columns, rows } = sizeOf(event.fields)
      screened.terminal.resize(columns, rows)
      screened.told = []
      screened.lastUs = us
      yield* tell(channel, screened)
    }
    if (event.type === 'channel-close' && screened !== undefined) {
      if (screened.isDirty) yield* tell(channel, screened)
      screened.terminal.dispose()
      this.#screens.delete(channel)
    }
    const label = this.#labelOf(record, event)
    if (label !== undefined) yield ['mark', us, channel, terminalSafe(label, { oneLine: true })]
  }

  #labelOf(record: EventRecord, event: TextEvent): string | undefined {
    const { fields } = event
    const file = this.#files.take(record)
    if (file !== undefined) {
      const [how, content] = file.written === undefined ? ['read', file.read] : ['written', file.written]
      return `file ${how}: ${file.path}, ${content?.bytes ?? 0} bytes${content?.sha256 === undefined ? '' : `, SHA-256 ${content.sha256}`}, ${file.status}`
    }
    switch (event.type) {
      case 'exec':
        return `command: ${commandOf(event)?.toString() ?? ''}`
      case 'typed':
        return String(fields['text'])
      case 'shell':
        return 'shell'
      case 'request-refused':
        return `refused: ${String(fields['request'])}: ${String(fields['reason'])}`
      case 'unechoed-line':
        return `a line of ${String(fields['characters'])} characters that was not shown`
      default:
        return undefined
    }
  }
}

/** Without a terminal, lines begin at the left all the same. */
function terminalOf(size: Size | undefined): Terminal {
  const terminal = newTerminal(size ?? usualSize, 0)
  if (size === undefined) terminal.options.convertEol = true
  return terminal
}

function* tell(channel: number, screened: Screened): Generator<Step> {
  const { terminal, lastUs } = screened
  const rows = rowsOf(terminal)
  const now = rows.map(row => JSON.stringify(row))
  const { cursorX: x, cursorY: y } = terminal.buffer.active
  const isWhole = screened.told.length !== now.length || screened.changes >= changesPerScreen
  const scrolled = isWhole ? 0 : scrolledBy(screened.told, now)
  const told = (row: number): string => screened.told[row + scrolled] ?? blank
  const changed = rows.flatMap((row, index) => (now[index] === told(index) ? [] : [[index, row] as const]))
  screened.told = now
  screened.isDirty = false
  screened.toldUs = lastUs
  screened.changes = isWhole ? 0 : screened.changes + 1
  if (isWhole) yield ['screen', lastUs, channel, terminal.cols, terminal.rows, x, y, rows]
  else yield ['change', lastUs, channel, x, y, changed, scrolled]
}

/** A row without anything. */
const blank = '[]'

/** How far the rows went up: what most output does. 0 if that explains less than half of what is shown now. */
function scrolledBy(before: readonly string[], now: readonly string[]): number {
  const first = now.find(row => row !== blank)
  const by = first === undefined ? 0 : before.indexOf(first) - now.indexOf(first)
  if (by <= 0) return 0
  const kept = now.filter((row, at) => row !== blank && row === before[at + by]).length
  return 2 * kept > now.filter(row => row !== blank).length ? by : 0
}

function* sqlSteps(records: Iterable<EventRecord>): Generator<Step> {
  for (const entry of sqlEntries(records)) {
    const lines = linesOf(entry).map(line => printableText(line))
    yield ['sql', usOf(entry), 0, kindOf(entry), lines.join('\n')]
  }
}

function usOf(entry: SqlEntry): number {
  if (entry.kind === 'result') return entry.result.us
  return entry.kind === 'note' ? entry.us : entry.statement.us
}

function kindOf(entry: SqlEntry): 'statement' | 'result' | 'error' | 'note' {
  if (entry.kind === 'note') return 'note'
  if (entry.kind !== 'result') return 'statement'
  return entry.result.status === 'done' || entry.result.status === 'suspended' ? 'result' : 'error'
}
