/**
 * Watches a terminal for ZMODEM (`sz` and `rz`): which files pass, with which bytes, or, where policy says so, that none does. It begins
 * when the client's program answers what the target's has announced: what a target merely prints begins nothing.
 */
import type { FileEvent } from '../../recorder/file-event.ts'
import type { MemoryBudget } from '../sftp/budget.ts'
import { Content } from '../sftp/content.ts'
import { Copies, type FileCopy } from '../sftp/copies.ts'
import { pathFields } from '../sftp/path.ts'
import { FrameReader, frameType, type Piece } from './frames.ts'

/** What the client's bytes mean. */
export type Watched = {
  readonly events: readonly FileEvent[]
  /** Those of the bytes that are in no frame: somebody may have typed them. */
  readonly typing: Buffer
  /** Bytes, of earlier reads too, that began like a frame and were none: somebody may have hidden typing in them. */
  readonly brokenBytes: number
  /** The client's program began a transfer: nothing from there on may go to the target. */
  readonly refused: boolean
}

/** Files of one transfer that are named at its end; each has events of its own. */
const maxPaths = 100

/** Senders begin with the command that would start a receiver. */
const callText = Buffer.from('rz\r')

type Side = 'client' | 'target'
type Passing = {
  readonly number: number
  readonly path: Buffer
  readonly attributes: { size?: number; modifiedAt?: number; permissions?: string }
  readonly content: Content
  readonly copy: FileCopy
  at: number
  endsAt: number | undefined
}
type Transfer = {
  readonly sender: Side
  readonly paths: string[]
  inputBytes: number
  outputBytes: number
  /** What the subpacket that comes next is. */
  expected: 'file' | 'data' | 'other'
  file: Passing | undefined
  isEnding: boolean
}

const headersOfSenders: ReadonlySet<number> = new Set([
  frameType.receiveInvitation,
  frameType.senderOptions,
  frameType.file,
  frameType.data,
  frameType.endOfFile,
  frameType.finish,
])

export class ZmodemWatch {
  readonly #channel: number
  readonly #isAllowed: () => boolean
  readonly #budget: MemoryBudget
  readonly #copies: Copies
  readonly #client = new FrameReader()
  readonly #target = new FrameReader()
  #wasAnnounced = false
  #transfer: Transfer | undefined
  #lastFile = 0
  #farewellLeft = 0
  #events: FileEvent[] = []

  constructor(channel: number, options: { isAllowed: () => boolean; budget: MemoryBudget; copies?: Copies }) {
    this.#channel = channel
    this.#isAllowed = options.isAllowed
    this.#budget = options.budget
    this.#copies = options.copies ?? new Copies()
  }

  /** Record the events before the bytes go on. */
  fromTarget(data: Buffer): readonly FileEvent[] {
    if (this.#transfer !== undefined) this.#transfer.outputBytes += data.length
    for (const piece of this.#target.take(data)) this.#take('target', piece)
    this.#tellProgress()
    return this.#takeEvents()
  }

  fromClient(data: Buffer): Watched {
    const typing: Buffer[] = []
    let [refused, brokenBytes] = [false, 0]
    for (const piece of this.#client.take(data)) {
      if (piece.is === 'header' && this.#begins(piece.type)) {
        refused = !this.#isAllowed()
        if (refused) break
        this.#begin(piece.type)
      }
      if (piece.is === 'broken') brokenBytes += piece.bytes.length
      if (piece.is === 'outside' && !this.#isWrapping(piece.bytes)) typing.push(piece.bytes)
      this.#take('client', piece)
    }
    if (this.#transfer !== undefined) this.#transfer.inputBytes += data.length
    this.#tellProgress()
    return { events: this.#takeEvents(), typing: Buffer.concat(typing), brokenBytes, refused }
  }

  /** Whether files are passing: what is not shown then is no password. */
  get isMoving(): boolean {
    return this.#transfer !== undefined
  }

  /** The channel is over. */
  end(): readonly FileEvent[] {
    this.#finish('not closed')
    return this.#takeEvents()
  }

  #takeEvents(): readonly FileEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  #begins(type: number): boolean {
    const isAnswer = type === frameType.receiverReady || headersOfSenders.has(type)
    return this.#wasAnnounced && this.#transfer === undefined && isAnswer
  }

  #begin(type: number): void {
    this.#transfer = {
      sender: headersOfSenders.has(type) ? 'client' : 'target',
      paths: [],
      inputBytes: 0,
      outputBytes: 0,
      expected: 'other',
      file: undefined,
      isEnding: false,
    }
  }

  /** What a sender says first and last of all: "rz", and "OO", over and out (section 8.4). */
  #isWrapping(bytes: Buffer): boolean {
    const isCall = this.#wasAnnounced && this.#transfer === undefined && callText.equals(bytes)
    return isCall || this.#isFarewell(bytes)
  }

  #isFarewell(bytes: Buffer): boolean {
    const isOne = bytes.length <= this.#farewellLeft && bytes.every(byte => byte === 0x4f)
    this.#farewellLeft = isOne ? this.#farewellLeft - bytes.length : 0
    return isOne
  }

  #take(from: Side, piece: Piece): void {
    const transfer = this.#transfer
    if (transfer === undefined) {
      if (piece.is === 'header' && from === 'target') this.#announced(piece.type)
    } else if (piece.is === 'cancel') this.#finish('cancelled')
    else if (piece.is === 'header' && from === transfer.sender) this.#sent(transfer, piece)
    else if (piece.is === 'header') this.#answered(transfer, piece.type)
    else if (piece.is === 'data' && from === transfer.sender) this.#data(transfer, piece.bytes)
    else if (transfer.isEnding && from === transfer.sender) this.#finish('ok')
  }

  /** A program waits for files, or offers some. Until the other one answers, it may as well be a file that shows such bytes. */
  #announced(type: number): void {
    this.#wasAnnounced ||= type === frameType.receiveInvitation || type === frameType.receiverReady
  }

  #sent(transfer: Transfer, { type, position }: { type: number; position: number }): void {
    if (transfer.isEnding) return this.#finish('ok')
    transfer.expected = type === frameType.file ? 'file' : type === frameType.data ? 'data' : 'other'
    if (type === frameType.data && transfer.file !== undefined) this.#position(transfer.file, position)
    if (type === frameType.endOfFile && transfer.file !== undefined) transfer.file.endsAt = position
    if (type === frameType.finish) transfer.isEnding = true
  }

  #answered(transfer: Transfer, type: number): void {
    const { file } = transfer
    if (transfer.isEnding && type === frameType.finish) return this.#finish('ok')
    if (file === undefined) return
    if (type === frameType.receiverReady && file.endsAt !== undefined) return this.#close(transfer, 'ok')
    if (type === frameType.skip) this.#close(transfer, 'skipped')
    else if (type === frameType.readError || type === frameType.abort) this.#close(transfer, 'failure')
  }

  #data(transfer: Transfer, bytes: Buffer): void {
    if (transfer.expected === 'file') return this.#named(transfer, bytes)
    const { file } = transfer
    if (transfer.expected !== 'data' || file === undefined) return
    file.content.begin(file.at, bytes.length)
    file.content.add(bytes)
    file.content.end()
    this.#events.push(...file.copy.keep(file.at, bytes))
    file.at += bytes.length
  }

  /** Section 11.5: the name, a zero, then size, time (octal) and mode (octal) of the file, as far as the sender tells. */
  #named(transfer: Transfer, bytes: Buffer): void {
    transfer.expected = 'other'
    if (transfer.file !== undefined) this.#close(transfer, 'not closed')
    const end = bytes.indexOf(0)
    const path = Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end))
    const told =
      end === -1
        ? ''
        : (bytes
            .subarray(end + 1)
            .toString('latin1')
            .split('\0', 1)[0] ?? '')
    const number = ++this.#lastFile
    transfer.file = {
      number,
      path,
      attributes: attributesOf(told),
      content: new Content(this.#budget),
      copy: this.#copies.of(this.#channel, number, transfer.sender === 'client' ? 'written' : 'read'),
      at: 0,
      endsAt: undefined,
    }
    if (transfer.paths.length < maxPaths) transfer.paths.push(path.toString('utf8'))
    this.#open(transfer, transfer.file)
  }

  #open(transfer: Transfer, { number, path, attributes }: Passing): void {
    this.#events.push({
      type: 'file-open',
      channel: this.#channel,
      file: number,
      operation: transfer.sender === 'client' ? 'zmodem-to-target' : 'zmodem-from-target',
      ...pathFields(path),
      attributes,
    })
  }

  #position(file: Passing, position: number): void {
    file.at = position
    file.endsAt = undefined
  }

  #tellProgress(): void {
    const transfer = this.#transfer
    const ranges = transfer?.file?.content.progress() ?? []
    if (transfer?.file === undefined || ranges.length === 0) return
    this.#events.push({
      type: 'file-progress',
      channel: this.#channel,
      file: transfer.file.number,
      ...(transfer.sender === 'client' ? { written: ranges } : { read: ranges }),
    })
  }

  #close(transfer: Transfer, status: string): void {
    const { file } = transfer
    transfer.file = undefined
    if (file === undefined) return
    const content = file.content.finish(status === 'ok' ? file.endsAt : undefined)
    this.#events.push({
      type: 'file-close',
      channel: this.#channel,
      file: file.number,
      ...pathFields(file.path),
      status,
      ...(transfer.sender === 'client' ? { written: content } : { read: content }),
    })
  }

  /** The transfer is over, one way or the other. */
  #finish(status: string): void {
    const transfer = this.#transfer
    this.#wasAnnounced = false
    if (transfer === undefined) return
    this.#close(transfer, status === 'ok' ? 'not closed' : status)
    this.#transfer = undefined
    if (transfer.sender === 'client') this.#farewellLeft = 2
    const { sender, paths, inputBytes, outputBytes } = transfer
    this.#events.push({
      type: 'transfer',
      channel: this.#channel,
      program: 'zmodem',
      direction: sender === 'client' ? 'to-target' : 'from-target',
      paths,
      inputBytes,
      outputBytes,
    })
  }
}

function attributesOf(told: string): Passing['attributes'] {
  const [size, time, mode] = told.split(' ')
  return {
    ...(size !== undefined && /^\d{1,15}$/.test(size) ? { size: Number(size) } : {}),
    ...(time !== undefined && /^[0-7]{1,13}$/.test(time) && time !== '0'
      ? { modifiedAt: Number.parseInt(time, 8) }
      : {}),
    ...(mode !== undefined && /^[0-7]{1,7}$/.test(mode) && mode !== '0' ? { permissions: mode } : {}),
  }
}
