/**
 * Reads along with one SFTP channel: the two streams of bytes pass unchanged, and what comes out here is what they did, to
 * which files, with which result. Memory is bounded by the budget of the connection; content is hashed, and told where policy keeps it.
 */
import { createHash } from 'node:crypto'
import { Fault } from '../../errors.ts'
import type { FileEvent } from '../../recorder/file-event.ts'
import type { MemoryBudget } from './budget.ts'
import type { Content } from './content.ts'
import { Copies, type FileCopy } from './copies.ts'
import { OpenFile } from './open-file.ts'
import { PacketReader, packetType, SftpViolation } from './packets.ts'
import { pathFields } from './path.ts'
import {
  checkExtendedReply,
  decodeDataHead,
  decodeReply,
  type Reply,
  type Status,
  statusEndOfFile,
  statusOk,
} from './replies.ts'
import {
  decodeProtocol,
  decodeRead,
  decodeRequest,
  decodeWriteHead,
  type ReadRequest,
  type Request,
} from './requests.ts'

/** The version that we decode; OpenSSH speaks no other. */
const protocolVersion = 3

/** Files and directories that a client may have open on one channel: as many as a process may, usually. */
export const maxOpenFiles = 1024

/** What a request or an open file costs, without its path, roughly. */
const pendingCostBytes = 256
const openFileCostBytes = 2048

/**
 * What the bytes just taken mean. Record the events before the bytes go on; with a violation the bytes do not go on, and
 * neither does anything after them.
 */
export type Decoded = { readonly events: readonly FileEvent[]; readonly violation: string | undefined }

type Pending =
  | { readonly is: 'read'; readonly file: OpenFile; readonly offset: number; readonly bytes: number }
  | { readonly is: 'write'; readonly file: OpenFile }
  | {
      readonly is: 'request'
      readonly request: Request
      readonly file: OpenFile | undefined
      readonly targetFile: OpenFile | undefined
      readonly costBytes: number
    }
type PendingRequest = Pending & { is: 'request' }
/** A file whose content is passing. */
type Moving = {
  readonly file: OpenFile
  readonly content: Content
  readonly copy: FileCopy
  /** Where in the file the next byte is. */
  at: number
}
type Side = 'client' | 'target'

export class SftpDecoder {
  readonly #channel: number
  readonly #budget: MemoryBudget
  readonly #copies: Copies
  readonly #client: PacketReader
  readonly #target: PacketReader
  readonly #pending = new Map<number, Pending>()
  readonly #handles = new Map<string, OpenFile>()
  /** Closed by the client; their last replies are on their way. */
  readonly #closing = new Set<OpenFile>()
  #lastFile = 0
  #events: FileEvent[] = []
  /** Files whose content moved, or was asked for, in the bytes that are being taken. */
  readonly #moved = new Set<OpenFile>()
  #began = { client: false, target: false }
  #writing: Moving | undefined
  #reading: Moving | undefined
  #violation: string | undefined

  constructor(channel: number, budget: MemoryBudget, copies: Copies = new Copies()) {
    this.#channel = channel
    this.#budget = budget
    this.#copies = copies
    this.#client = new PacketReader(packetType.write, {
      packet: packet => this.#request(packet),
      contentBegins: (head, bytes) => this.#write(head, bytes),
      content: data => this.#pass(this.#writing, data),
      contentEnds: () => this.#writing?.content.end(),
    })
    this.#target = new PacketReader(packetType.data, {
      packet: packet => this.#reply(packet),
      contentBegins: (head, bytes) => this.#data(head, bytes),
      content: data => this.#pass(this.#reading, data),
      contentEnds: () => this.#dataEnds(),
    })
  }

  fromClient(data: Buffer): Decoded {
    return this.#take('client', data)
  }

  fromTarget(data: Buffer): Decoded {
    return this.#take('target', data)
  }

  /** The channel is over: describes what was left open. A request without a `file-operation` was never answered. */
  end(): readonly FileEvent[] {
    for (const side of ['client', 'target'] as const) {
      const reader = side === 'client' ? this.#client : this.#target
      if (this.#violation === undefined && !reader.isBetweenPackets)
        this.#problem(side, 'the stream ended within a packet')
    }
    for (const file of [...this.#closing, ...this.#handles.values()]) this.#forget(file)
    for (const id of this.#pending.keys()) this.#takePending(id)
    this.#handles.clear()
    return this.#takeEvents()
  }

  #take(side: Side, data: Buffer): Decoded {
    if (this.#violation !== undefined) return { events: [], violation: this.#violation }
    try {
      const reader = side === 'client' ? this.#client : this.#target
      reader.push(data)
      this.#tellUnfinished(side, reader.unfinished(data))
    } catch (cause) {
      this.#violated(side, cause)
    }
    this.#tellProgress()
    return { events: this.#takeEvents(), violation: this.#violation }
  }

  #violated(side: Side, cause: unknown): void {
    if (!(cause instanceof SftpViolation || cause instanceof Fault)) throw cause
    this.#violation = cause instanceof SftpViolation ? cause.message : 'a packet is malformed'
    this.#problem(side, this.#violation)
  }

  #problem(from: Side, reason: string): void {
    this.#events.push({ type: 'file-problem', channel: this.#channel, from, reason })
  }

  /** Part of a packet passes before it is decoded. Its other end can do nothing with it until the rest has come. */
  #tellUnfinished(from: Side, data: Buffer): void {
    if (data.length === 0) return
    const sha256 = createHash('sha256').update(data).digest('hex')
    this.#events.push({ type: 'file-partial', channel: this.#channel, from, bytes: data.length, sha256 })
  }

  #tellProgress(): void {
    for (const file of this.#moved) {
      const progress = file.progress(this.#channel)
      if (progress !== undefined) this.#events.push(progress)
    }
    this.#moved.clear()
  }

  #takeEvents(): readonly FileEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  // ── From the client ───────────────────────────────────────────────────────────────────────────────────────────

  #request(packet: Buffer): void {
    if (packet[0] === packetType.init) return this.#begin('client', packet)
    if (!this.#began.client) throw new SftpViolation('a request came before the first message')
    const read = decodeRead(packet)
    if (read !== undefined) return this.#read(read)
    const request = decodeRequest(packet)
    const file = request.handle === undefined ? undefined : this.#file(request.handle)
    const targetFile = request.targetHandle === undefined ? undefined : this.#file(request.targetHandle)
    const costBytes = pendingCostBytes + pathCost(request)
    this.#await(request.id, { is: 'request', request, file, targetFile, costBytes }, costBytes)
    if (targetFile !== undefined) targetFile.isCopiedInto = true
    if (sizeSet(request) !== undefined) file?.sizeRequested()
    if (request.operation === 'close' && request.handle !== undefined) this.#handles.delete(request.handle)
    if (request.operation === 'close' && file !== undefined) this.#closing.add(file)
    this.#events.push({
      type: 'file-request',
      channel: this.#channel,
      request: request.id,
      ...about(request, file, targetFile),
    })
  }

  /** INIT or VERSION: the first message of each side, and only that. */
  #begin(side: Side, packet: Buffer): void {
    if (this.#began[side]) throw new SftpViolation('the protocol was begun twice')
    if (side === 'target' && !this.#began.client) throw new SftpViolation('the target spoke first')
    this.#began[side] = true
    const { version, extensions } = decodeProtocol(packet)
    this.#events.push({ type: 'file-protocol', channel: this.#channel, from: side, version, extensions })
    const agrees = side === 'client' ? version >= protocolVersion : version === protocolVersion
    if (!agrees) throw new SftpViolation('only version 3 of SFTP is passed on')
  }

  #read({ id, handle, offset, bytes }: ReadRequest): void {
    const file = this.#file(handle)
    this.#await(id, { is: 'read', file, offset, bytes }, pendingCostBytes)
    file.readRequested()
    this.#moved.add(file)
  }

  #write(head: Buffer, bytes: number): void {
    if (!this.#began.client) throw new SftpViolation('a request came before the first message')
    const { id, handle, offset } = decodeWriteHead(head)
    const file = this.#file(handle)
    this.#await(id, { is: 'write', file }, pendingCostBytes)
    this.#writing = { file, content: file.writeBegins(offset, bytes), copy: file.copies.written, at: offset }
  }

  #pass(moving: Moving | undefined, data: Buffer): void {
    if (moving === undefined) return
    moving.content.add(data)
    this.#events.push(...moving.copy.keep(moving.at, data))
    moving.at += data.length
    this.#moved.add(moving.file)
  }

  #file(handle: string): OpenFile {
    const file = this.#handles.get(handle)
    if (file === undefined) throw new SftpViolation('a request is about a file that is not open')
    return file
  }

  #await(id: number, pending: Pending, costBytes: number): void {
    if (this.#pending.has(id))
      throw new SftpViolation('two requests that wait for a reply have the same number')
    if (!this.#budget.take(costBytes)) throw new SftpViolation('too many requests wait for a reply')
    this.#pending.set(id, pending)
  }

  // ── From the target ───────────────────────────────────────────────────────────────────────────────────────────

  #reply(packet: Buffer): void {
    if (packet[0] === packetType.version) return this.#begin('target', packet)
    if (!this.#began.target) throw new SftpViolation('the target sent something that is not SFTP')
    const reply = decodeReply(packet)
    const pending = this.#takePending(reply.id)
    if (pending.is === 'request') return this.#answer(pending, reply)
    if (reply.type !== 'status') throw new SftpViolation('a reply is of the wrong kind')
    this.#moved.add(pending.file)
    if (pending.is === 'write') pending.file.writeAnswered(reply.code === statusOk)
    else notRead(pending.file, pending.offset, reply.code)
    this.#answered(pending.file)
  }

  #data(head: Buffer, bytes: number): void {
    if (!this.#began.target) throw new SftpViolation('the target sent something that is not SFTP')
    const pending = this.#takePending(decodeDataHead(head).id)
    if (pending.is !== 'read') throw new SftpViolation('a reply is of the wrong kind')
    if (bytes > pending.bytes) throw new SftpViolation('a reply holds more than was asked for')
    const { file, offset: at } = pending
    this.#reading = { file, content: file.readBegins(at, bytes), copy: file.copies.read, at }
  }

  #dataEnds(): void {
    const reading = this.#reading
    if (reading === undefined) return
    reading.content.end()
    this.#reading = undefined
    this.#answered(reading.file)
  }

  #takePending(id: number): Pending {
    const pending = this.#pending.get(id)
    if (pending === undefined) throw new SftpViolation('a reply came that nobody asked for')
    this.#pending.delete(id)
    this.#budget.give(pending.is === 'request' ? pending.costBytes : pendingCostBytes)
    return pending
  }

  #answer(pending: PendingRequest, reply: Reply): void {
    checkKind(pending.request, reply)
    if (reply.type === 'handle') return this.#opened(pending.request, reply.handle)
    if (pending.request.operation === 'close') return this.#closed(pending, reply)
    if (reply.type === 'attributes') pending.file?.sizeIs(reply.attributes.size)
    const succeeded = reply.type !== 'status' || reply.code === statusOk
    const size = sizeSet(pending.request)
    if (size !== undefined) pending.file?.sizeAnswered(size, succeeded)
    this.#events.push({
      type: 'file-operation',
      channel: this.#channel,
      request: reply.id,
      ...about(pending.request, pending.file, pending.targetFile),
      ...result(pending.request, reply),
    })
  }

  #opened(request: Request, handle: string): void {
    if (this.#handles.has(handle)) throw new SftpViolation('the target gave one handle to two files')
    if (this.#handles.size + this.#closing.size >= maxOpenFiles || !this.#budget.take(fileCost(request.path)))
      throw new SftpViolation('too many files are open')
    const path = request.path ?? { path: '' }
    const file = new OpenFile(++this.#lastFile, path, request.flags ?? [], {
      channel: this.#channel,
      budget: this.#budget,
      copies: this.#copies,
    })
    this.#handles.set(handle, file)
    const { flags, attributes } = request
    this.#events.push({
      type: 'file-open',
      channel: this.#channel,
      file: file.number,
      request: request.id,
      operation: request.operation === 'open' ? 'open' : 'open-directory',
      ...path,
      ...(flags === undefined ? {} : { flags }),
      ...(attributes === undefined || Object.keys(attributes).length === 0 ? {} : { attributes }),
    })
  }

  #closed({ file }: PendingRequest, reply: Reply): void {
    if (file === undefined || reply.type !== 'status') return
    file.closed = statusOf(reply)
    this.#closeIfAnswered(file)
  }

  #answered(file: OpenFile): void {
    file.unanswered--
    this.#closeIfAnswered(file)
  }

  /** Some servers answer a CLOSE before the reads and writes that came earlier. */
  #closeIfAnswered(file: OpenFile): void {
    if (file.closed === undefined || file.unanswered > 0) return
    this.#forget(file)
  }

  #forget(file: OpenFile): void {
    this.#closing.delete(file)
    this.#moved.delete(file) // the whole says more than the progress
    this.#budget.give(fileCost(file.path))
    this.#events.push(file.close(this.#channel))
  }
}

/** The length that a request gives to an open file. */
function sizeSet(request: Request): number | string | undefined {
  return request.operation === 'fsetstat' ? request.attributes?.size : undefined
}

function fileCost(path: Request['path']): number {
  return openFileCostBytes + fieldBytes(path)
}

function pathCost({ path, targetPath }: Request): number {
  return fieldBytes(path) + fieldBytes(targetPath)
}

function fieldBytes(fields: object | undefined): number {
  if (fields === undefined) return 0
  const [text] = Object.values(fields)
  return typeof text === 'string' ? 2 * text.length : 0
}

/** What a request is about, as its events tell it. */
function about(request: Request, file: OpenFile | undefined, targetFile: OpenFile | undefined) {
  const { operation, flags, attributes, copy } = request
  return {
    operation,
    ...(file === undefined ? {} : { file: file.number, ...file.path }),
    ...request.path,
    ...request.targetPath,
    ...(targetFile === undefined ? {} : { targetFile: targetFile.number }),
    ...(flags === undefined ? {} : { flags }),
    ...(attributes === undefined || Object.keys(attributes).length === 0 ? {} : { attributes }),
    ...copy,
  }
}

/** What a request brought, as its event tells it. */
function result(request: Request, reply: Reply) {
  switch (reply.type) {
    case 'status':
      return statusOf(reply)
    case 'name':
      return { status: 'ok', ...found(request, reply.entries, reply.first) }
    case 'attributes':
      return { status: 'ok', found: reply.attributes }
    case 'handle':
    case 'extended':
      return { status: 'ok' }
  }
}

function statusOf({ status, message }: Status): { status: string; message?: string } {
  return { status, ...(message === undefined ? {} : { message }) }
}

function notRead(file: OpenFile, offset: number, code: number): void {
  if (code === statusOk) throw new SftpViolation('a read succeeded without data')
  if (code === statusEndOfFile) file.readEndedAt(offset)
}

function found(request: Request, entries: number, first: Buffer | undefined) {
  if (request.operation === 'read-directory') return { entries }
  const fields = pathFields(first ?? Buffer.alloc(0))
  return 'path' in fields ? { foundPath: fields.path } : { foundPathBase64: fields.pathBase64 }
}

/** Each request has its kind of reply, or a STATUS that says why not. */
function checkKind(request: Request, reply: Reply): void {
  const { answer } = request
  if (reply.type === 'status') {
    if (reply.code === statusOk && answer !== 'status')
      throw new SftpViolation('a request succeeded without what it asked for')
    return
  }
  const isRight =
    reply.type === 'extended'
      ? !['status', 'handle', 'data', 'name', 'attributes'].includes(answer)
      : reply.type === answer
  if (!isRight) throw new SftpViolation('a reply is of the wrong kind')
  if (reply.type === 'extended') checkExtendedReply(answer, reply.fields)
  if (
    reply.type === 'name' &&
    answer === 'name' &&
    request.operation !== 'read-directory' &&
    reply.entries !== 1
  )
    throw new SftpViolation('a look-up of one name brought several or none')
}
