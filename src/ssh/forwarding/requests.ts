/**
 * What asks for a forward: channels (RFC 4254, section 7.2; OpenSSH PROTOCOL, section 2.4) and global requests (RFC 4254,
 * section 7.1; the same of PROTOCOL). What goes on is encoded from what was decoded here.
 */
import { Fault } from '../../errors.ts'
import { type ForwardPlace, type ForwardWish, placeText } from '../../policy/forward.ts'
import { string, uint32, WireReader } from '../../wire.ts'
import type { ChannelOpen, GlobalRequest } from '../messages.ts'

/** An address in text, with room for a zone or a name. Peers write it themselves; people do not. */
const maxOriginatorBytes = 255
const noBytes = Buffer.alloc(0)

/** A stream that one end asks the other for. */
export type StreamOpening = {
  readonly kind: 'stream'
  readonly wish: ForwardWish
  readonly originator: string
  readonly fields: Buffer
}
export type Opening = { readonly kind: 'session' | 'agent'; readonly fields: Buffer } | StreamOpening

export const agentChannelType = 'auth-agent@openssh.com'

/** What clients may open. */
export const clientChannelTypes: ReadonlySet<string> = new Set([
  'session',
  'direct-tcpip',
  'direct-streamlocal@openssh.com',
])

/** What targets may open for those who connect where they listen. */
export const listenerChannelTypes: ReadonlySet<string> = new Set([
  'forwarded-tcpip',
  'forwarded-streamlocal@openssh.com',
])

/** What a channel of one of these types is to be for. Throws Fault SSH_PROTOCOL for malformed fields. */
export function decodeOpening({ channelType, fields }: ChannelOpen): Opening {
  switch (channelType) {
    case 'direct-tcpip':
      return portOpening('to', fields)
    case 'forwarded-tcpip':
      return portOpening('from', fields)
    case 'direct-streamlocal@openssh.com':
      return socketOpening('to', fields)
    case 'forwarded-streamlocal@openssh.com':
      return socketOpening('from', fields)
    default:
      new WireReader(fields).end()
      return { kind: channelType === agentChannelType ? 'agent' : 'session', fields }
  }
}

/** Names come from people, through programs that do not look at them: one that is no UTF-8 is not worth a session. */
function placeName(reader: WireReader): string {
  return reader.string().toString('utf8')
}

function portOpening(direction: 'to' | 'from', fields: Buffer): StreamOpening {
  const reader = new WireReader(fields)
  const place = { host: placeName(reader), port: reader.uint32() }
  const originator = reader.text()
  const originatorPort = reader.uint32()
  reader.end()
  if (Buffer.byteLength(originator) > maxOriginatorBytes) throw tooLong()
  return {
    kind: 'stream',
    wish: { direction, place },
    originator: originatorText(originator, originatorPort),
    fields: Buffer.concat([
      string(place.host),
      uint32(place.port),
      string(originator),
      uint32(originatorPort),
    ]),
  }
}

/** A path, and fields that are reserved: empty ones go on. A client's have a number, too. */
function socketOpening(direction: 'to' | 'from', fields: Buffer): StreamOpening {
  const reader = new WireReader(fields)
  const path = placeName(reader)
  const originator = reader.text()
  const originatorPort = direction === 'to' ? reader.uint32() : 0
  reader.end()
  if (Buffer.byteLength(originator) > maxOriginatorBytes) throw tooLong()
  return {
    kind: 'stream',
    wish: { direction, place: { path } },
    originator: originatorText(originator, originatorPort),
    fields: Buffer.concat([string(path), string(''), direction === 'to' ? uint32(0) : noBytes]),
  }
}

function originatorText(host: string, port: number): string {
  return host === '' ? '' : placeText({ host, port })
}

function tooLong(): Fault {
  return new Fault('SSH_PROTOCOL', 'The address of an originator is too long.')
}

/** A client's request that the target listen, or stop. */
export type ListenRequest = {
  readonly cancels: boolean
  readonly place: ForwardPlace
  readonly fields: Buffer
}

const portRequests = ['tcpip-forward', 'cancel-tcpip-forward']
const socketRequests = ['streamlocal-forward@openssh.com', 'cancel-streamlocal-forward@openssh.com']

export function isListenRequest(name: string): boolean {
  return portRequests.includes(name) || socketRequests.includes(name)
}

/** Of a request of which `isListenRequest` is true. Throws Fault SSH_PROTOCOL for malformed fields. */
export function decodeListenRequest({ name, fields }: GlobalRequest): ListenRequest {
  const cancels = name.startsWith('cancel-')
  const reader = new WireReader(fields)
  const text = placeName(reader)
  const place = portRequests.includes(name) ? { host: text, port: reader.uint32() } : { path: text }
  reader.end()
  const port = 'port' in place ? uint32(place.port) : noBytes
  return { cancels, place, fields: Buffer.concat([string(text), port]) }
}

/** The port that the target chose, if it was asked for any (RFC 4254, section 7.1). Some servers say it in any case. */
export function decodeListenReply(asked: ForwardPlace, fields: Buffer): ForwardPlace {
  const reader = new WireReader(fields)
  if (reader.remaining === 0) {
    if ('port' in asked && asked.port === 0)
      throw new Fault('SSH_PROTOCOL', 'The target did not say on which port it listens.')
    return asked
  }
  const port = reader.uint32()
  reader.end()
  if (!('port' in asked) || (asked.port !== 0 && asked.port !== port) || port < 1 || port > 65_535)
    throw new Fault('SSH_PROTOCOL', 'The target listens elsewhere than it was asked to.')
  return { host: asked.host, port }
}
