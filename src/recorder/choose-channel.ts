import { Fault } from '../errors.ts'
import { carriesData, commandOf, type EventRecord, type ReadEvent, type TextEvent } from './event.ts'
import { FormatProblem } from './format.ts'
import type { RecordingReader } from './reader.ts'

/** A terminal's size in characters. */
export type Size = { readonly columns: number; readonly rows: number }

/** What a channel is, as far as it says before its output. */
export type ChannelAbout = {
  readonly channel: number
  /** Undefined without a terminal. */
  readonly terminal: (Size & { readonly term: string }) | undefined
  readonly command: Buffer | undefined
}

/** Of a recording without any terminal. */
export const usualSize: Size = { columns: 80, rows: 24 }
/** Larger terminals are shown as large as this: what a terminal emulator holds grows with them. */
const maxSide = 1000

/**
 * The channel that an export of one channel takes: the one asked for, else the first with a terminal, else the first with a
 * command, else the first with output. Throws a Fault NOT_FOUND for a channel that the recording does not have.
 */
export function chooseChannel(reader: RecordingReader, wanted: number | undefined): ChannelAbout {
  const seen = channelsOf(reader, wanted === undefined)
  const all = [...seen.values()]
  if (wanted !== undefined) return seen.get(wanted) ?? missing(wanted)
  return (
    all.find(about => about.terminal !== undefined) ??
    all.find(about => about.command !== undefined) ??
    all[0] ??
    nothing
  )
}

/** All channels, or those up to the first terminal. Of a damaged recording, those before the damage. */
function channelsOf(reader: RecordingReader, untilTerminal: boolean): ReadonlyMap<number, ChannelAbout> {
  const seen = new Map<number, ChannelAbout>()
  try {
    for (const record of reader.events()) {
      note(seen, record)
      const channel = channelOf(record.event)
      if (untilTerminal && channel !== undefined && seen.get(channel)?.terminal !== undefined) break
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error // whoever reads the rest meets it again
  }
  return seen
}

const nothing: ChannelAbout = { channel: 0, terminal: undefined, command: undefined }

function missing(channel: number): never {
  throw new Fault('NOT_FOUND', `This recording has no channel ${channel}.`)
}

/** Keeps what an event says of its channel. */
export function note(seen: Map<number, ChannelAbout>, { event }: EventRecord): void {
  const channel = channelOf(event)
  if (channel === undefined) return
  const known = seen.get(channel) ?? { channel, terminal: undefined, command: undefined }
  if (carriesData(event)) seen.set(channel, known)
  else seen.set(channel, { ...known, ...said(event, known) })
}

function said(event: TextEvent, known: ChannelAbout): Partial<ChannelAbout> {
  if (event.type === 'pty' && known.terminal === undefined) {
    return { terminal: { ...sizeOf(event.fields), term: String(event.fields['term']) } }
  }
  return event.type === 'exec' ? { command: commandOf(event) } : {}
}

/** The channel that an event belongs to. */
export function channelOf(event: ReadEvent): number | undefined {
  if (carriesData(event)) return event.channel
  const { channel } = event.fields
  return typeof channel === 'number' ? channel : undefined
}

/** The size that a `pty` or `resize` event gives, within reason. RFC 4254, section 6.2: zero says nothing. */
export function sizeOf(fields: Readonly<Record<string, unknown>>): Size {
  return { columns: side(fields['columns'], usualSize.columns), rows: side(fields['rows'], usualSize.rows) }
}

function side(value: unknown, usual: number): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
    ? Math.min(value, maxSide)
    : usual
}
