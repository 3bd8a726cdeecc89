/** Events of a recording as the player and the live view take them. Offsets count from the session's opening. */
import { channelOf, sizeOf } from '../../../recorder/choose-channel.ts'
import { carriesData, commandOf, type ReadEvent } from '../../../recorder/event.ts'
import type { ReplayEvent } from '../../schema.ts'

/** Characters of one event that is text: statements may be long, and have a page of their own. */
const maxTextCharacters = 4096
/** PostgreSQL keeps 63 bytes of a name. */
const maxNameCharacters = 63
/** Of what a target says of an error, so that the result is whole. */
const maxMessageCharacters = 1000

export function replayEventOf(us: number, event: ReadEvent): ReplayEvent {
  const atMs = us / 1000
  if (carriesData(event))
    return { atMs, channel: event.channel, type: event.type, base64: event.data.toString('base64') }
  const channel = channelOf(event)
  if (channel !== undefined && (event.type === 'resize' || event.type === 'pty'))
    return { atMs, channel, type: event.type, ...sizeOf(event.fields) }
  const text = textOf(event).slice(0, maxTextCharacters)
  const statement = statementIn(event)
  return {
    atMs,
    ...(channel === undefined ? {} : { channel }),
    type: event.type,
    text,
    ...(statement === undefined ? {} : { statement }),
  }
}

type Told = Extract<ReadEvent, { fields: unknown }>

function statementIn({ type, fields }: Told): Extract<ReplayEvent, { text: string }>['statement'] {
  const { statement: number, same, executes, name } = fields
  if ((type !== 'statement' && type !== 'prepared') || typeof number !== 'number') return undefined
  return {
    number,
    ...(typeof same === 'number' ? { same } : {}),
    ...(typeof executes === 'number' ? { executes } : {}),
    ...(typeof name === 'string' ? { name: name.slice(0, maxNameCharacters) } : {}),
  }
}

function textOf(event: Told): string {
  const { type, fields } = event
  if (type === 'exec') return commandOf(event)?.toString() ?? ''
  if (type === 'typed' || type === 'statement' || type === 'prepared') return wordOf(fields['text'])
  if (type === 'end') return wordOf(fields['reason'])
  if (type === 'result') return JSON.stringify(shortResult(fields))
  const { type: _, channel: __, ...others } = fields
  return Object.keys(others).length === 0 ? '' : JSON.stringify(others)
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Without the first rows, which may be long. */
function shortResult(fields: Told['fields']): Told['fields'] {
  const { type: _, head: __, message, ...others } = fields
  return typeof message === 'string' ? { ...others, message: message.slice(0, maxMessageCharacters) } : others
}
