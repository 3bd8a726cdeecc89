import { closeSync, fdatasync, fsync } from 'node:fs'
import { promisify } from 'node:util'
import { linkOf } from '../chain.ts'
import type { Clock } from '../clock.ts'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Signer } from '../model.ts'
import { type AppendAsync, LateWrite } from './append-async.ts'
import { ChunkBuilder, type ChunkBuffers, type RawChunk, type StoredEvent } from './chunk.ts'
import type { Sealer } from './encryption/sealer.ts'
import { recordOverheadBytes } from './encryption/sealed-events.ts'
import { type ChunkHead, chunkAgeMs, chunkHead, cipher, codec, frameHead } from './format.ts'
import type { Destination, Segment } from './journal.ts'
import type { PackedChunk, Packer } from './pack.ts'
import { signedFrame, signingOf } from './signed.ts'

/** A signed head follows so many chunks at the latest ... */
export const headEveryChunks = 64
/** ... or so long after the first chunk that no head covers. */
export const headAfterMs = 30_000
/** At this backlog compression trades size for speed. */
const hurryBytes = 256 * 1024
/** Frames handed to the operating system at once. */
const maxFramesPerWrite = 16

/** Where a recording stands: what its next frame must continue. */
export type Position = {
  readonly link: Buffer
  readonly chunks: number
  readonly events: number
  readonly bytes: number
  readonly lastUs: number
  /** The key that the header names. */
  readonly headerKeyId?: string
}

/** What every recording of a process shares. */
export type Workshop = {
  readonly signer: Signer
  readonly clock: Clock
  readonly packer: Packer
  readonly buffers: ChunkBuffers
  readonly append: AppendAsync
  readonly log: Log
}

/** What the owner of a file hears. */
export type Heard = {
  /** Once: nothing more can be written. */
  readonly onFailure: (error: unknown) => void
  /** So many event bytes have reached the file. */
  readonly onWritten: (bytes: number) => void
  /** The seal is on the disk and the file is closed; its link is what proofs name. */
  readonly onSealed: (link: Buffer) => void
}

/**
 * Who can read what is written: whoever has the file; the auditors, for whom it is sealed here; or they, for whom it was sealed before:
 * what is added then are records of `sealedRecord`, as they are.
 */
export type Protection =
  | { readonly kind: 'clear' | 'sealed-before' }
  | { readonly kind: 'sealed'; readonly sealer: Sealer }

type Job = { readonly chunk: RawChunk; readonly packing: Promise<void>; packed: PackedChunk | undefined }

/**
 * The writing end of one recording's file: collects events into chunks, compresses them in the thread pool, and writes
 * them in order with the chain's links and a signed head now and then. All of it off the path of what is relayed.
 */
export class RecordingFile implements Destination {
  readonly #fd: number
  readonly #shop: Workshop
  readonly #protection: Protection
  readonly #heard: Heard
  readonly #builder: ChunkBuilder
  readonly #jobs: Job[] = []
  readonly #headerKeyId: string | undefined
  #link: Buffer
  #chunks: number
  #events: number
  #bytes: number
  #lastUs: number
  #chunksAtHead: number
  #unwrittenBytes = 0
  #ageTimer: NodeJS.Timeout | undefined
  #headTimer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #isHeadDue = false
  /** Sealed, closed or failed: nothing more is written. */
  #isDone = false
  #isClosed = false
  /** What was written since may be lost with the power. */
  #isOnDisk = true
  #syncing: Promise<void> | undefined
  #failure: unknown

  constructor(
    fd: number,
    at: Position,
    shop: Workshop,
    heard: Heard,
    protection: Protection = { kind: 'clear' },
  ) {
    this.#fd = fd
    this.#protection = protection
    this.#shop = shop
    this.#heard = heard
    this.#builder = new ChunkBuilder(shop.buffers)
    this.#link = at.link
    this.#headerKeyId = at.headerKeyId
    this.#chunks = at.chunks
    this.#events = at.events
    this.#bytes = at.bytes
    this.#lastUs = at.lastUs
    this.#chunksAtHead = at.chunks
  }

  /** Event bytes that are not in the file yet. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes
  }

  /** Copies one event; `segment` keeps it in the journal until it is in the file. */
  add(event: StoredEvent, slab: Buffer, segment: Segment | undefined): void {
    const length = event.end - event.from + (event.far?.length ?? 0)
    if (this.#builder.isFullFor(length)) this.#closeChunk()
    this.#builder.add(event, slab, segment)
    this.#unwrittenBytes += length
    this.#ageTimer ??= setTimeout(() => this.flush(), chunkAgeMs).unref()
  }

  /** Closes the chunk that is being collected, if it holds anything. */
  flush(): void {
    clearTimeout(this.#ageTimer)
    this.#ageTimer = undefined
    if (!this.#builder.isEmpty) this.#closeChunk()
  }

  /** Writes a signed head as soon as what came before is written. */
  head(): void {
    this.#isHeadDue = true
    this.#startWriting()
  }

  /** Resolves when all events are in the file; rejects if they cannot be. */
  async settle(): Promise<void> {
    this.flush()
    while (this.#writing !== undefined) await this.#writing
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Writes what is left and the seal, and hands all of it to the disk. The file is closed then. */
  async seal(reason: string, interrupted: boolean, notes: readonly string[] = []): Promise<void> {
    await this.settle()
    this.#finish()
    const text = {
      chunks: this.#chunks,
      events: this.#events,
      bytes: this.#bytes,
      durationUs: this.#lastUs,
      reason,
      interrupted,
      ...(notes.length === 0 ? {} : { notes }),
      sealedAt: this.#now(),
      ...signingOf(this.#shop.signer, this.#headerKeyId),
    }
    const frame = await signedFrame('seal', text, this.#link, this.#shop.signer)
    try {
      await this.#write([frame])
      await fsyncAsync(this.#fd)
      this.#isOnDisk = true
    } catch (error) {
      this.#fail(error)
      throw error
    }
    await this.close()
    this.#heard.onSealed(linkOf(frame))
  }

  /** Closes the file, once what is being written is. A thread of the pool that closes it costs ten times as much as this. */
  async close(): Promise<void> {
    this.#finish()
    while (this.#writing !== undefined) await this.#writing
    await this.#syncing?.catch(() => {}) // whoever asked was told
    if (!this.#isClosed && !(this.#failure instanceof LateWrite)) closeSync(this.#fd)
    this.#isClosed = true
  }

  /** Resolves when what was written so far is on the disk: the journal need not keep it then. A seal has done that by itself. */
  async reachDisk(): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing
    if (this.#isOnDisk) return
    if (this.#isClosed) throw new Error('the file was closed before it was on the disk')
    this.#isOnDisk = true
    this.#syncing = fdatasyncAsync(this.#fd)
      .catch((error: unknown) => {
        this.#isOnDisk = false
        throw error
      })
      .finally(() => void (this.#syncing = undefined))
    await this.#syncing
  }

  #finish(): void {
    clearTimeout(this.#ageTimer)
    clearTimeout(this.#headTimer)
    this.#isDone = true
  }

  #now(): string {
    return new Date(this.#shop.clock.nowMs()).toISOString()
  }

  #closeChunk(): void {
    const chunk = this.#builder.take()
    const job: Job = {
      chunk,
      packed: undefined,
      packing: this.#pack(chunk).then(packed => void (job.packed = packed)),
    }
    job.packing.catch(() => {}) // the writer awaits it again and fails there
    this.#jobs.push(job)
    this.#startWriting()
  }

  #pack(chunk: RawChunk): Promise<PackedChunk> {
    if (this.#protection.kind === 'sealed-before') return Promise.resolve(asItIs(chunk))
    return this.#shop.packer.pack(chunk.buffer, chunk.length, this.#unwrittenBytes >= hurryBytes)
  }

  #startWriting(): void {
    if (this.#isDone || this.#writing !== undefined) return
    this.#writing = this.#writeAll()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#pauseWriting())
  }

  #pauseWriting(): void {
    this.#writing = undefined
    if (this.#jobs.length > 0 || this.#isHeadDue) this.#startWriting()
  }

  async #writeAll(): Promise<void> {
    while (this.#jobs.length > 0 || this.#isHeadDue) {
      if (this.#jobs.length > 0) await this.#writeChunks(await this.#takeReady())
      if (this.#isHeadDue || this.#chunks - this.#chunksAtHead >= headEveryChunks) await this.#writeHead()
    }
  }

  /** The oldest chunk, waited for, and those after it that are compressed already. */
  async #takeReady(): Promise<Job[]> {
    await this.#jobs[0]?.packing
    let ready = 1
    while (ready < maxFramesPerWrite && this.#jobs[ready]?.packed !== undefined) ready++
    return this.#jobs.splice(0, ready)
  }

  async #writeChunks(jobs: readonly Job[]): Promise<void> {
    const parts: Buffer[] = []
    for (const job of jobs) if (job.packed !== undefined) parts.push(...this.#frame(job.chunk, job.packed))
    await this.#write(parts)
    for (const { chunk, packed } of jobs) this.#letGo(chunk, packed)
    this.#headTimer ??= setTimeout(() => this.head(), headAfterMs).unref()
  }

  #frame(chunk: RawChunk, packed: PackedChunk): Buffer[] {
    const { firstSequence, events, firstUs, lastUs } = chunk
    const inflatedBytes = this.#eventBytes(chunk)
    const body = this.#protect(packed.payload, {
      number: ++this.#chunks,
      codec: packed.codec,
      cipher: ciphers[this.#protection.kind],
      firstSequence,
      events,
      inflatedBytes,
      firstUs,
      lastUs,
    })
    const bodyBytes = body.reduce((sum, { length }) => sum + length, 0)
    const frame = [frameHead('chunk', bodyBytes, this.#link), ...body]
    this.#link = linkOf(...frame)
    this.#events += events
    this.#bytes += inflatedBytes
    this.#lastUs = lastUs
    return frame
  }

  /** A chunk's body. A seal covers its fixed fields too. */
  #protect(payload: Buffer, fields: ChunkHead): Buffer[] {
    const head = chunkHead(fields)
    if (this.#protection.kind !== 'sealed') return [head, payload]
    const { near, tag } = this.#protection.sealer.chunk(fields.number, head, payload)
    return [head, near, tag]
  }

  #eventBytes({ length, events }: RawChunk): number {
    return this.#protection.kind === 'sealed-before' ? length - events * recordOverheadBytes : length
  }

  /** The chunk is in the file: the journal need not keep it, and its buffer is free. */
  #letGo(chunk: RawChunk, packed: PackedChunk | undefined): void {
    for (const [segment, count] of chunk.held) segment.release(count, this)
    if (packed !== undefined) this.#shop.buffers.giveBack(packed.buffer)
    this.#unwrittenBytes -= chunk.length
    this.#heard.onWritten(chunk.length)
  }

  async #writeHead(): Promise<void> {
    clearTimeout(this.#headTimer)
    this.#headTimer = undefined
    this.#isHeadDue = false
    this.#chunksAtHead = this.#chunks
    const frame = await this.#signedHead()
    if (frame === undefined) return
    this.#link = linkOf(frame)
    await this.#write([frame])
  }

  /** A signer that is away (an agent, a KMS) costs a head, not the session: the next one covers all that this would have. */
  async #signedHead(): Promise<Buffer | undefined> {
    const text = {
      chunks: this.#chunks,
      events: this.#events,
      bytes: this.#bytes,
      at: this.#now(),
      ...signingOf(this.#shop.signer, this.#headerKeyId),
    }
    try {
      return await signedFrame('head', text, this.#link, this.#shop.signer)
    } catch (error) {
      this.#shop.log.error({ reason: reasonOf(error) }, 'a head of a recording could not be signed')
      return undefined
    }
  }

  #write(parts: readonly Buffer[]): Promise<void> {
    this.#isOnDisk = false
    return this.#shop.append(this.#fd, parts)
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#finish()
    this.#heard.onFailure(error)
  }
}

const ciphers = { clear: cipher.none, sealed: cipher.chunk, 'sealed-before': cipher.events } as const

/** Ciphertext does not shrink. */
function asItIs({ buffer, length }: RawChunk): PackedChunk {
  return { codec: codec.none, payload: buffer.subarray(0, length), buffer }
}

const fsyncAsync = promisify(fsync)
const fdatasyncAsync = promisify(fdatasync)
