/**
 * What terminals showed at chosen moments, as text for a report. What the session's terminals would show is drawn from the nearest keyframe on, as the player
 * does; secrets that show by their form are taken out, as they are out of the commands beside it.
 */
import { LineRedactor } from '../../../analysis/analyst/redact.ts'
import { channelOf, usualSize } from '../../../recorder/choose-channel.ts'
import { carriesData, type EventRecord } from '../../../recorder/event.ts'
import { type Keyframe, type KeyframeIndex, unpackScreen } from '../../../recorder/keyframe.ts'
import { type ChunkPlace, readRecording } from '../../../recorder/reader.ts'
import { Screen, showOn } from '../../../recorder/screen.ts'
import type { ReplayMap } from './replay-map.ts'

export type ScreenText = {
  readonly channel: number
  readonly columns: number
  readonly rows: number
  /** Lines with line feeds between them; empty for an empty screen. */
  readonly text: string
  /** Whether `text` is cut. */
  readonly isCut: boolean
  /** Whether some of it was drawn so that nobody sees it (SGR 8). */
  readonly hasConcealed: boolean
}

export type ScreensAt = {
  /** Milliseconds since the opening. */
  readonly atMs: number
  /** Of the terminals that were open then, the one with the latest output first; of a session that is over, the last one. */
  readonly screens: readonly ScreenText[]
  /** So much would have to be read for it that it is not there. */
  readonly isTooFar: boolean
}

/** Terminals that are told of one moment. */
const maxTerminals = 4
/** Stored bytes that are read for one report: some seconds of work. With keyframes a moment takes a few ten thousand. */
const maxStoredBytes = 16 * 1024 * 1024
/** Characters of one screen: 200 columns by 160 rows. */
const maxCharacters = 32_000

/** `moments` in milliseconds since the opening. Of a damaged recording, what can be read of it. */
export function screensAt(
  file: string,
  { map, index, moments }: { map: ReplayMap; index: KeyframeIndex | undefined; moments: readonly number[] },
): readonly ScreensAt[] {
  let left = maxStoredBytes
  return moments.map(atMs => {
    const from = beginAt(map, index, atMs, left)
    if (from === undefined) return { atMs, screens: [], isTooFar: true }
    left -= from.bytes
    return { atMs, screens: drawn(file, from.keyframes, atMs), isTooFar: false }
  })
}

/** The last keyframes of the terminals that were busy last, and how much is to be read from the first of them on. Without one, all from the beginning. */
function beginAt(
  { chunks }: ReplayMap,
  index: KeyframeIndex | undefined,
  atMs: number,
  leftBytes: number,
): { readonly keyframes: readonly Keyframe[]; readonly bytes: number } | undefined {
  const last = new Map<number, Keyframe>()
  for (const keyframe of index?.keyframes ?? [])
    if (keyframe.us / 1000 <= atMs) last.set(keyframe.channel, keyframe)
  const chosen = [...last.values()].toSorted((a, b) => b.us - a.us).slice(0, maxTerminals)
  const end = chunks.findLast(({ fromMs }) => fromMs <= atMs)
  const endOffset = end === undefined ? 0 : end.offset + end.bytes
  for (let count = chosen.length; count >= Math.min(1, chosen.length); count--) {
    const keyframes = chosen.slice(0, count)
    const bytes = Math.max(0, endOffset - (firstPlace(keyframes)?.offset ?? 0))
    if (bytes <= leftBytes) return { keyframes, bytes }
  }
  return undefined
}

function firstPlace(keyframes: readonly Keyframe[]): ChunkPlace | undefined {
  return keyframes.map(({ place }) => place).toSorted((a, b) => a.offset - b.offset)[0]
}

type Followed = { screen: Screen; from: number; lastUs: number; isOpen: boolean }

function drawn(file: string, keyframes: readonly Keyframe[], atMs: number): readonly ScreenText[] {
  const followed = new Map<number, Followed>(
    keyframes.map(({ channel, sequence, us, screen }) => [
      channel,
      { screen: Screen.restore(unpackScreen(screen)), from: sequence + 1, lastUs: us, isOpen: true },
    ]),
  )
  const reader = readRecording(file, { onGap: () => {} })
  try {
    for (const record of reader.events(firstPlace(keyframes))) {
      if (record.us / 1000 > atMs) break
      take(followed, record)
    }
    return shown(followed)
  } finally {
    reader.close()
    for (const { screen } of followed.values()) screen.dispose()
  }
}

function take(followed: Map<number, Followed>, record: EventRecord): void {
  const { event, sequence, us } = record
  const channel = channelOf(event)
  if (channel === undefined) return
  const known = followed.get(channel)
  if (known === undefined && followed.size >= maxTerminals) forgetClosed(followed)
  if (known === undefined && followed.size >= maxTerminals) return
  if (known !== undefined && sequence < known.from) return
  const isOutput = carriesData(event) && event.type !== 'input'
  const screen = showOn(known?.screen ?? (isOutput ? withoutTerminal() : undefined), record)
  if (screen === undefined) return
  const entry = known ?? { screen, from: sequence, lastUs: us, isOpen: true }
  if (isOutput) entry.lastUs = us
  if (event.type === 'channel-close') entry.isOpen = false
  followed.set(channel, entry)
}

/** Those that are over make room for those that come. */
function forgetClosed(followed: Map<number, Followed>): void {
  const oldest = [...followed]
    .filter(([, { isOpen }]) => !isOpen)
    .toSorted(([, a], [, b]) => a.lastUs - b.lastUs)[0]
  if (oldest === undefined) return
  oldest[1].screen.dispose()
  followed.delete(oldest[0])
}

/** What a program without a terminal writes has line feeds alone. */
function withoutTerminal(): Screen {
  const screen = new Screen(usualSize)
  screen.terminal.options.convertEol = true
  return screen
}

function shown(followed: ReadonlyMap<number, Followed>): readonly ScreenText[] {
  const all = [...followed].toSorted(([, a], [, b]) => b.lastUs - a.lastUs)
  const open = all.filter(([, { isOpen }]) => isOpen)
  return (open.length > 0 ? open : all.slice(0, 1)).map(([channel, { screen }]) => textOf(channel, screen))
}

type Line = ReturnType<Screen['terminal']['buffer']['active']['getLine']>

function textOf(channel: number, { terminal }: Screen): ScreenText {
  const { active } = terminal.buffer
  const lines = Array.from({ length: terminal.rows }, (_, row) => active.getLine(active.baseY + row))
  const rows = lines.map(line => ({
    text: line?.translateToString(true) ?? '',
    goesOn: line?.isWrapped === true,
  }))
  const text = redactedRows(rows).join('\n').trimEnd()
  const columns = Array.from({ length: terminal.cols }, (_, column) => column)
  const hasConcealed = lines.some(line => columns.some(column => isConcealed(line?.getCell(column))))
  return {
    channel,
    columns: terminal.cols,
    rows: terminal.rows,
    text: text.slice(0, maxCharacters),
    isCut: text.length > maxCharacters,
    hasConcealed,
  }
}

function isConcealed(cell: ReturnType<NonNullable<Line>['getCell']>): boolean {
  return cell !== undefined && cell.isInvisible() !== 0 && cell.getChars().trim() !== ''
}

type RowText = { readonly text: string; readonly goesOn: boolean }

/** A secret may go on in the next row. Lines without one stay in the rows that they had. */
function redactedRows(rows: readonly RowText[]): readonly string[] {
  const redactor = new LineRedactor()
  const whole: string[][] = []
  for (const { text, goesOn } of rows) {
    const line = goesOn ? whole.at(-1) : undefined
    if (line === undefined) whole.push([text])
    else line.push(text)
  }
  return whole.flatMap(parts => {
    const line = parts.join('')
    const safe = redactor.take(line)
    return safe === line ? parts : [safe]
  })
}
