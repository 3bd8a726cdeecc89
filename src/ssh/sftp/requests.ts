/**
 * What clients ask for in SFTP version 3 (draft-ietf-secsh-filexfer-02, section 6) and in OpenSSH's extensions (PROTOCOL,
 * section 4), in the draft's order. Fields are read to the last byte: what nobody would look at is refused.
 */
import type { FileAttributes, PathFields, TargetPathFields } from '../../recorder/file-event.ts'
import { WireReader } from '../../wire.ts'
import { offsetOf } from './content.ts'
import { maxHandleBytes, packetType, SftpViolation } from './packets.ts'
import { maxPathBytes, pathFields, targetPathFields } from './path.ts'

/** The kind of reply that a request brings, if not a STATUS that says why not. */
export type Answer =
  | 'status'
  | 'handle'
  | 'data'
  | 'name'
  | 'attributes'
  | 'statvfs'
  | 'limits'
  | 'names-of-ids'

/** What a request asks for. READ and WRITE have their own, since there are so many of them. */
export type Request = {
  readonly id: number
  readonly operation: string
  readonly answer: Answer
  readonly path?: PathFields
  readonly targetPath?: TargetPathFields
  /** Names of open files, as the target gave them; latin1, so that any bytes can be a key. */
  readonly handle?: string
  readonly targetHandle?: string
  readonly flags?: readonly string[]
  readonly attributes?: FileAttributes
  /** Of copy-data. */
  readonly copy?: {
    readonly from: number | string
    readonly bytes: number | string
    readonly to: number | string
  }
}

export type ReadRequest = {
  readonly id: number
  readonly handle: string
  readonly offset: number
  readonly bytes: number
}
export type WriteRequest = { readonly id: number; readonly handle: string; readonly offset: number }

/** draft-ietf-secsh-filexfer-02, section 6.3. */
const openFlags = ['read', 'write', 'append', 'create', 'truncate', 'exclusive'] as const

/** draft-ietf-secsh-filexfer-02, section 5. */
const attributeFlag = { size: 1, owner: 2, permissions: 4, times: 8, extended: 0x8000_0000 } as const
const knownAttributeFlags = 0x8000_000f

/** Servers and clients name a handful; nobody names more. */
export const maxExtensions = 64
/** Longer names are nobody's, and all of them are recorded. */
const maxExtensionNameBytes = 255

export function readPath(reader: WireReader): Buffer {
  const path = reader.string()
  if (path.length > maxPathBytes) throw new SftpViolation('a path is too long')
  return path
}

function readHandle(reader: WireReader): string {
  const handle = reader.string()
  if (handle.length > maxHandleBytes) throw new SftpViolation('a handle is longer than SFTP allows')
  return handle.toString('latin1')
}

/** A count of bytes, which a number holds up to 2^53 - 1. */
function readSize(reader: WireReader): number | string {
  const size = reader.uint64()
  return size > BigInt(Number.MAX_SAFE_INTEGER) ? size.toString() : Number(size)
}

export function readAttributes(reader: WireReader): FileAttributes {
  const flags = reader.uint32()
  if ((flags & ~knownAttributeFlags) !== 0) throw new SftpViolation('attributes of another version of SFTP')
  const attributes = {
    ...((flags & attributeFlag.size) === 0 ? {} : { size: readSize(reader) }),
    ...((flags & attributeFlag.owner) === 0 ? {} : { uid: reader.uint32(), gid: reader.uint32() }),
    ...((flags & attributeFlag.permissions) === 0 ? {} : { permissions: reader.uint32().toString(8) }),
    ...((flags & attributeFlag.times) === 0
      ? {}
      : { accessedAt: reader.uint32(), modifiedAt: reader.uint32() }),
  }
  if ((flags & attributeFlag.extended) !== 0) skipExtendedAttributes(reader)
  return attributes
}

function skipExtendedAttributes(reader: WireReader): void {
  const count = reader.uint32()
  if (count > maxExtensions) throw new SftpViolation('too many extended attributes')
  for (let index = 0; index < count; index++) {
    reader.string()
    reader.string()
  }
}

/** INIT and VERSION: a version, and extensions by name with data of their own. */
export function decodeProtocol(packet: Buffer): { version: number; extensions: readonly string[] } {
  const reader = new WireReader(packet, 1)
  const version = reader.uint32()
  const extensions: string[] = []
  while (reader.remaining > 0) {
    const name = reader.string()
    if (name.length > maxExtensionNameBytes) throw new SftpViolation('the name of an extension is too long')
    extensions.push(name.toString('utf8'))
    reader.string()
    if (extensions.length > maxExtensions) throw new SftpViolation('too many extensions')
  }
  return { version, extensions }
}

/** READ, or undefined if the packet is another one. */
export function decodeRead(packet: Buffer): ReadRequest | undefined {
  if (packet[0] !== packetType.read) return undefined
  const reader = new WireReader(packet, 1)
  const id = reader.uint32()
  const handle = readHandle(reader)
  const offset = offsetOf(reader.uint64())
  const bytes = reader.uint32()
  reader.end()
  return { id, handle, offset, bytes }
}

/** WRITE up to its content; the length of that has been read. */
export function decodeWriteHead(head: Buffer): WriteRequest {
  const reader = new WireReader(head, 1)
  return { id: reader.uint32(), handle: readHandle(reader), offset: offsetOf(reader.uint64()) }
}

/** Every other request. Throws SftpViolation or Fault SSH_PROTOCOL for what is malformed or unknown. */
export function decodeRequest(packet: Buffer): Request {
  const reader = new WireReader(packet, 1)
  const id = reader.uint32()
  const request = { id, ...decodeFields(packet[0] ?? 0, reader) }
  reader.end()
  return request
}

type Fields = Omit<Request, 'id'>

function decodeFields(type: number, reader: WireReader): Fields {
  switch (type) {
    case packetType.open:
      return {
        operation: 'open',
        answer: 'handle',
        path: pathFields(readPath(reader)),
        flags: readOpenFlags(reader),
        attributes: readAttributes(reader),
      }
    case packetType.close:
      return { operation: 'close', answer: 'status', handle: readHandle(reader) }
    case packetType.lstat:
      return onPath('lstat', 'attributes', reader)
    case packetType.fstat:
      return { operation: 'fstat', answer: 'attributes', handle: readHandle(reader) }
    case packetType.setstat:
      return { ...onPath('setstat', 'status', reader), attributes: readAttributes(reader) }
    case packetType.fsetstat:
      return {
        operation: 'fsetstat',
        answer: 'status',
        handle: readHandle(reader),
        attributes: readAttributes(reader),
      }
    case packetType.opendir:
      return onPath('open-directory', 'handle', reader)
    case packetType.readdir:
      return { operation: 'read-directory', answer: 'name', handle: readHandle(reader) }
    case packetType.remove:
      return onPath('remove', 'status', reader)
    case packetType.mkdir:
      return { ...onPath('make-directory', 'status', reader), attributes: readAttributes(reader) }
    case packetType.rmdir:
      return onPath('remove-directory', 'status', reader)
    case packetType.realpath:
      return onPath('realpath', 'name', reader)
    case packetType.stat:
      return onPath('stat', 'attributes', reader)
    case packetType.rename:
      return onTwoPaths('rename', reader)
    case packetType.readlink:
      return onPath('readlink', 'name', reader)
    case packetType.symlink:
      return symlink(reader)
    case packetType.extended:
      return decodeExtended(reader)
    default:
      throw new SftpViolation('a request of an unknown type')
  }
}

function onPath(operation: string, answer: Answer, reader: WireReader): Fields {
  return { operation, answer, path: pathFields(readPath(reader)) }
}

function onTwoPaths(operation: string, reader: WireReader): Fields {
  const path = pathFields(readPath(reader))
  return { operation, answer: 'status', path, targetPath: targetPathFields(readPath(reader)) }
}

/** OpenSSH says first where the link leads and then where it lies, against the draft, and the others follow it. */
function symlink(reader: WireReader): Fields {
  const targetPath = targetPathFields(readPath(reader))
  return { operation: 'symlink', answer: 'status', path: pathFields(readPath(reader)), targetPath }
}

function readOpenFlags(reader: WireReader): readonly string[] {
  const flags = reader.uint32()
  if (flags >>> openFlags.length !== 0)
    throw new SftpViolation('a file is opened with flags of another version of SFTP')
  return openFlags.filter((_, bit) => (flags & (1 << bit)) !== 0)
}

function decodeExtended(reader: WireReader): Fields {
  const name = reader.string().toString('latin1')
  switch (name) {
    case 'posix-rename@openssh.com':
      return onTwoPaths('posix-rename', reader)
    case 'hardlink@openssh.com':
      return onTwoPaths('hardlink', reader)
    case 'statvfs@openssh.com':
      return onPath('statvfs', 'statvfs', reader)
    case 'fstatvfs@openssh.com':
      return { operation: 'fstatvfs', answer: 'statvfs', handle: readHandle(reader) }
    case 'fsync@openssh.com':
      return { operation: 'fsync', answer: 'status', handle: readHandle(reader) }
    case 'lsetstat@openssh.com':
      return { ...onPath('lsetstat', 'status', reader), attributes: readAttributes(reader) }
    case 'limits@openssh.com':
      return { operation: 'limits', answer: 'limits' }
    case 'expand-path@openssh.com':
      return onPath('expand-path', 'name', reader)
    case 'home-directory':
      return onPath('home-directory', 'name', reader)
    case 'copy-data':
      return copyData(reader)
    case 'users-groups-by-id@openssh.com':
      readIds(reader)
      readIds(reader)
      return { operation: 'names-of-ids', answer: 'names-of-ids' }
    default:
      throw new SftpViolation('a request of an extension that the gateway does not know')
  }
}

function copyData(reader: WireReader): Fields {
  const handle = readHandle(reader)
  const [from, bytes] = [readSize(reader), readSize(reader)]
  const targetHandle = readHandle(reader)
  const copy = { from, bytes, to: readSize(reader) }
  return { operation: 'copy-data', answer: 'status', handle, targetHandle, copy }
}

/** A string of u32 numbers. */
function readIds(reader: WireReader): void {
  if (reader.string().length % 4 !== 0) throw new SftpViolation('a list of numbers is cut')
}
