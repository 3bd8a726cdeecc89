/** Events of a recording as the player and the live view take them. Offsets count from the session's opening. */
import { channelOf, sizeOf } from '../../../recorder/choose-channel.ts'
import { carriesData, commandOf, type ReadEvent } from '../../../recorder/event.ts'
import type { ReplayEvent } from '../../schema.ts'

/** Characters of one event that is text: statements may be long, and have a page of their own. */
const maxTextCharacters = 4096

export function replayEventOf(us: number, event: ReadEvent): ReplayEvent {
  const atMs = us / 1000
  if (carriesData(event))
    return { atMs, channel: event.channel, type: event.type, base64: event.data.toString('base64') }
  const channel = channelOf(event)
  if (channel !== undefined && (event.type === 'resize' || event.type === 'pty'))
    return { atMs, channel, type: event.type, ...sizeOf(event.fields) }
  const text = textOf(event).slice(0, maxTextCharacters)
  return { atMs, ...(channel === undefined ? {} : { channel }), type: event.type, text }
}

function textOf(event: Extract<ReadEvent, { fields: unknown }>): string {
  const { type, fields } = event
  if (type === 'exec') return commandOf(event)?.toString() ?? ''
  if (type === 'typed' || type === 'statement' || type === 'prepared') return wordOf(fields['text'])
  if (type === 'end') return wordOf(fields['reason'])
  const { type: _, channel: __, ...others } = fields
  return Object.keys(others).length === 0 ? '' : JSON.stringify(others)
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
