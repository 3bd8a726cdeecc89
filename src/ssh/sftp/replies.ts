/** What targets answer in SFTP version 3 (draft-ietf-secsh-filexfer-02, section 7) and in OpenSSH's extensions. */
import type { FileAttributes } from '../../recorder/file-event.ts'
import { WireReader } from '../../wire.ts'
import { maxHandleBytes, packetType, SftpViolation } from './packets.ts'
import { type Answer, readAttributes, readPath } from './requests.ts'

export type Status = { readonly code: number; readonly status: string; readonly message?: string }

export type Reply = { readonly id: number } & (
  | ({ readonly type: 'status' } & Status)
  | { readonly type: 'handle'; readonly handle: string }
  | { readonly type: 'name'; readonly entries: number; readonly first: Buffer | undefined }
  | { readonly type: 'attributes'; readonly attributes: FileAttributes }
  | { readonly type: 'extended'; readonly fields: Buffer }
)

export type DataHead = { readonly id: number }

/** draft-ietf-secsh-filexfer-02, section 7. */
export const statusOk = 0
export const statusEndOfFile = 1

const statusTexts = [
  'ok',
  'end of file',
  'no such file',
  'permission denied',
  'failure',
  'bad message',
  'no connection',
  'connection lost',
  'operation unsupported',
]

/** Longer explanations explain nothing, and all of it is recorded. */
export const maxMessageBytes: number = 8 * 1024

/** What OpenSSH puts beside the code: not worth recording once more. */
const usualMessages = new Set(['', 'success', ...statusTexts])

export function decodeDataHead(head: Buffer): DataHead {
  return { id: new WireReader(head, 1).uint32() }
}

/** Any reply but DATA. Throws SftpViolation or Fault SSH_PROTOCOL. */
export function decodeReply(packet: Buffer): Reply {
  const reader = new WireReader(packet, 1)
  const id = reader.uint32()
  const reply = { id, ...decodeFields(packet[0] ?? 0, reader) }
  reader.end()
  return reply
}

type Fields = Reply extends infer R ? (R extends Reply ? Omit<R, 'id'> : never) : never

function decodeFields(type: number, reader: WireReader): Fields {
  switch (type) {
    case packetType.status:
      return { type: 'status', ...readStatus(reader) }
    case packetType.handle:
      return { type: 'handle', handle: readNewHandle(reader) }
    case packetType.name:
      return { type: 'name', ...readNames(reader) }
    case packetType.attrs:
      return { type: 'attributes', attributes: readAttributes(reader) }
    case packetType.extendedReply:
      return { type: 'extended', fields: reader.rest() }
    default:
      throw new SftpViolation('a reply of an unknown type')
  }
}

/** Old servers leave out the message and its language. */
function readStatus(reader: WireReader): Status {
  const code = reader.uint32()
  const message = reader.remaining === 0 ? Buffer.alloc(0) : reader.string()
  if (reader.remaining > 0 && reader.string().length > maxMessageBytes) throw tooMuchText()
  if (message.length > maxMessageBytes) throw tooMuchText()
  const text = message.toString('utf8')
  const status = statusTexts[code] ?? `status ${code}`
  return { code, status, ...(usualMessages.has(text.toLowerCase()) ? {} : { message: text }) }
}

function tooMuchText(): SftpViolation {
  return new SftpViolation('the text of a status is too long')
}

function readNewHandle(reader: WireReader): string {
  const handle = reader.string()
  if (handle.length > maxHandleBytes) throw new SftpViolation('a handle is longer than SFTP allows')
  return handle.toString('latin1')
}

/** Name, the same as `ls -l` would show it, attributes: for each entry. */
function readNames(reader: WireReader): { entries: number; first: Buffer | undefined } {
  const entries = reader.uint32()
  let first: Buffer | undefined
  for (let index = 0; index < entries; index++) {
    const name = readPath(reader)
    first ??= name
    reader.string()
    readAttributes(reader)
  }
  return { entries, first }
}

/** The fields of an EXTENDED_REPLY say nothing of what they are; the request does. */
export function checkExtendedReply(answer: Answer, fields: Buffer): void {
  if (answer === 'names-of-ids') return checkNamesOfIds(fields)
  const bytes = { statvfs: 11 * 8, limits: 4 * 8 }[answer === 'limits' ? 'limits' : 'statvfs']
  if (fields.length !== bytes) throw new SftpViolation('an extended reply has the wrong length')
}

/** Two strings of strings: names of users, names of groups. */
function checkNamesOfIds(fields: Buffer): void {
  const reader = new WireReader(fields)
  for (const names of [new WireReader(reader.string()), new WireReader(reader.string())]) {
    while (names.remaining > 0) names.string()
  }
  reader.end()
}
