import { StringDecoder } from 'node:string_decoder'
import { type ChannelAbout, channelOf, chooseChannel, sizeOf, usualSize } from './choose-channel.ts'
import { carriesData, commandOf, type DataEvent, type EventRecord, type TextEvent } from './event.ts'
import type { RecordingHeader } from './header.ts'
import type { RecordingReader } from './reader.ts'
import { jsonLine as line } from './table.ts'
import { terminalSafe } from './terminal-safe.ts'

export type AsciicastVersion = 2 | 3

/**
 * One channel as asciicast: https://docs.asciinema.org/manual/asciicast/v2/ and v3. Times count from the session's opening.
 * Commands and typed lines become markers; what was kept of input is input.  What was sent without a terminal gets the carriage returns that a terminal
 * would have added; the recording itself stays the evidence.
 */
export function* asciicast(
  reader: RecordingReader,
  version: AsciicastVersion,
  wanted?: number,
): Generator<string> {
  const about = chooseChannel(reader, wanted)
  const writer = new CastWriter(version, about)
  yield line(castHeader(reader.header, version, about))
  for (const chunk of reader.chunks()) {
    const lines = chunk.events.flatMap(record => writer.lines(record))
    if (lines.length > 0) yield lines.map(line).join('')
  }
  yield writer.rest().map(line).join('')
}

function castHeader(
  header: RecordingHeader,
  version: AsciicastVersion,
  about: ChannelAbout,
): Record<string, unknown> {
  const { columns, rows } = about.terminal ?? usualSize
  const timestamp = Math.floor(Date.parse(header.openedAt) / 1000)
  const title = oneLine(
    `${header.login}@${header.target.name} by ${header.principal.name}, session ${header.session}`,
  )
  const command = about.command === undefined ? {} : { command: oneLine(about.command.toString()) }
  const term = about.terminal?.term
  if (version === 2)
    return {
      version,
      width: columns,
      height: rows,
      timestamp,
      title,
      ...command,
      ...(term === undefined ? {} : { env: { TERM: term } }),
    }
  return {
    version,
    term: { cols: columns, rows, ...(term === undefined ? {} : { type: term }) },
    timestamp,
    title,
    ...command,
  }
}

const bareLineFeed = /(?<!\r)\n/g

class CastWriter {
  readonly #version: AsciicastVersion
  readonly #channel: number
  readonly #hasTerminal: boolean
  readonly #decoders = {
    output: new StringDecoder('utf8'),
    'error-output': new StringDecoder('utf8'),
    input: new StringDecoder('utf8'),
  }
  #lastUs = 0
  #endsInReturn = false

  constructor(version: AsciicastVersion, about: ChannelAbout) {
    this.#version = version
    this.#channel = about.channel
    this.#hasTerminal = about.terminal !== undefined
  }

  lines(record: EventRecord): (readonly unknown[])[] {
    if (channelOf(record.event) !== this.#channel) return []
    const { event, us } = record
    const output = carriesData(event) ? this.#output(event) : undefined
    const said = carriesData(event) ? (output === undefined ? [] : [output]) : this.#told(event)
    return said.map(words => [this.#time(us), ...words])
  }

  /** What an unfinished character leaves at the end. */
  rest(): (readonly unknown[])[] {
    const text = this.#decoders.output.end() + this.#decoders['error-output'].end()
    return text === '' ? [] : [[this.#time(this.#lastUs), 'o', text]]
  }

  /** Characters that are cut between events come with the later one. */
  #output(event: DataEvent): readonly [string, string] | undefined {
    const text = this.#decoders[event.type].write(event.data)
    if (text === '') return undefined
    if (event.type === 'input') return ['i', text]
    return ['o', this.#hasTerminal ? text : this.#withReturns(text)]
  }

  #withReturns(text: string): string {
    const isLineFeedAfterReturn = this.#endsInReturn && text.startsWith('\n')
    this.#endsInReturn = text.endsWith('\r')
    if (isLineFeedAfterReturn) return `\n${text.slice(1).replace(bareLineFeed, '\r\n')}`
    return text.replace(bareLineFeed, '\r\n')
  }

  /** Typed lines are input as far as the screen has shown them, and marks to jump to. */
  #told(event: TextEvent): readonly (readonly [string, string])[] {
    switch (event.type) {
      case 'resize': {
        const { columns, rows } = sizeOf(event.fields)
        return [['r', `${columns}x${rows}`]]
      }
      case 'exec':
        return [['m', oneLine(commandOf(event)?.toString() ?? '')]]
      case 'typed': {
        const text = String(event.fields['text'])
        return [
          ['i', `${text}\r`],
          ['m', oneLine(text)],
        ]
      }
      case 'exit-status':
        return this.#version === 3 ? [['x', String(event.fields['status'])]] : []
      default:
        return []
    }
  }

  /** Seconds: since the opening in v2, since the last line in v3. Computed from whole microseconds, so that nothing drifts. */
  #time(us: number): number {
    const time = (this.#version === 3 ? us - this.#lastUs : us) / 1_000_000
    this.#lastUs = us
    return time
  }
}

/** Players show a marker's label in lists of their own. */
function oneLine(text: string): string {
  return terminalSafe(text, { oneLine: true })
}
