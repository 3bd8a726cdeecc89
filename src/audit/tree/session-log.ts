/**
 * The log of sessions: an append-only Merkle tree whose leaves say that a session was opened or sealed, and how far the audit
 * log went. Whoever holds one of its signed checkpoints can tell later that nothing was removed, replaced or reordered. Its files
 * are those of C2SP tlog-tiles, so that other people's tools read them.
 */
import {
  closeSync,
  existsSync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
} from 'node:fs'
import { promisify } from 'node:util'
import type { Clock } from '../../clock.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AppendSync, Signer, Watch } from '../../model.ts'
import { appendAll } from '../append.ts'
import { parseCheckpoint, signCheckpoint, type TreeHead } from './checkpoint.ts'
import { decodeLeaf, encodeLeaf, type Leaf, type StampedLeaf } from './leaf.ts'
import { CompactRange, consistencySpans, inclusionSpans, leafHash, rootOf } from './merkle.ts'
import { decodeEntries, encodeEntry, tileWidth } from './tile.ts'
import {
  checkpointFile,
  checkpointsFile,
  growingFile,
  spanRoot,
  SubtreeRoots,
  TreeFiles,
} from './tree-files.ts'

/** A checkpoint is signed so long after a leaf that none covers: those that come meanwhile share it. */
const checkpointAfterMs = 1000
/** After a signer or a disk failed, it is tried again so much later. */
const checkpointRetryMs = 10_000

/** Hears of each checkpoint, and may answer with cosignatures (lines of C2SP signed-note). What it throws is logged. */
export type Publisher = {
  readonly name: string
  /** `proofFrom` gives the hashes that prove consistency with an earlier size. */
  readonly publish: (checkpoint: string, proofFrom: ConsistencyProof) => Promise<readonly string[]>
}
export type ConsistencyProof = (earlierSize: number) => readonly Buffer[]

export type SessionLogOptions = {
  readonly folder: string
  /** Names a log that begins (C2SP tlog-checkpoint), such as the gateway's name; one that goes on keeps its name. */
  readonly origin: string
  readonly signer: Signer
  /** Keys that sign checkpoints beside it: a former one, until those who know only that have learnt the new one. */
  readonly alsoSigning?: () => readonly Signer[]
  readonly clock: Clock
  readonly log: Log
  readonly append?: AppendSync
  /** Watches what else waits for the disk in this thread, as `append` is watched. */
  readonly watch?: Watch
  readonly publishers?: readonly Publisher[]
  readonly checkpointAfterMs?: number
}

/** Proof that a leaf is in the log, in the form of C2SP tlog-proof, and the entry that it is about. */
export type LeafProof = { readonly entry: string; readonly proof: string }

/** What became of the newest checkpoint at one place: when it arrived last, and why the last one did not, if so. */
export type PublisherState = {
  readonly name: string
  readonly lastMs: number | undefined
  readonly problem: string | undefined
}

export type SessionLog = {
  /** The leaf is with the operating system when this returns; gives its index. Throws Fault SESSION_LOG_FAILED, from then on always. */
  readonly add: (leaf: Leaf) => number
  /** Resolves once a signed checkpoint covers the leaf. */
  readonly proofOf: (index: number) => Promise<LeafProof>
  /** The index of the newest leaf that matches, or undefined; looks back no further than leaves of that instant. */
  readonly find: (matches: (leaf: StampedLeaf) => boolean, sinceMs: number) => number | undefined
  /** Signs what is there now, without waiting for its time. Never rejects: what failed is logged and tried again. */
  readonly checkpoint: () => Promise<void>
  /** Signs it although it is signed: with another key. Never rejects. */
  readonly signAnew: () => Promise<void>
  readonly size: number
  readonly failure: Fault | undefined
  /** Signs what is there and closes the file. */
  readonly close: () => Promise<void>
}

/** What others may see of the log, where all of it is. */
export type SessionLogView = {
  readonly size: number
  /** The log's name. */
  readonly origin: string
  /** The entry of that index; undefined if there is none, or it is none of ours. */
  readonly leafAt: (index: number) => StampedLeaf | undefined
  /** Hashes that prove that the log of the later size begins with that of the earlier one (RFC 6962, section 2.1.2). Throws RangeError for sizes that it never had. */
  readonly consistency: (earlier: number, later: number) => readonly Buffer[]
  readonly publishers: readonly PublisherState[]
}

/** Opens the log and goes on where it ended; it must be the only writer. Throws Fault SESSION_LOG_FAILED if it cannot be continued. */
export function openSessionLog(options: SessionLogOptions): SessionLog & SessionLogView {
  return new TreeLog(options)
}

function logFailed(cause: unknown): Fault {
  const userText =
    "The log of sessions cannot be written, so nothing is allowed. Ask the operator to look at the gateway's disk."
  return new Fault('SESSION_LOG_FAILED', userText, {
    log: `the log of sessions failed: ${reasonOf(cause)}`,
    cause,
  })
}

/** A full disk or a power cut may leave half a line, which the next one must not continue. Its checkpoint was never given out. */
function lastWholeLine(path: string): string {
  if (!existsSync(path)) return ''
  const bytes = readFileSync(path)
  const wholeBytes = bytes.lastIndexOf('\n') + 1
  if (wholeBytes < bytes.length) truncateSync(path, wholeBytes)
  const start = wholeBytes < 2 ? 0 : bytes.lastIndexOf('\n', wholeBytes - 2) + 1
  return bytes.toString('utf8', start, wholeBytes)
}

type Signed = { readonly size: number; readonly text: string }
type Waiting = {
  readonly index: number
  readonly resolve: (proof: LeafProof) => void
  readonly reject: (cause: unknown) => void
}

class TreeLog implements SessionLog, SessionLogView {
  readonly #options: SessionLogOptions
  readonly #append: AppendSync
  readonly #watch: Watch
  readonly #files: TreeFiles
  /** The hashes of each level that do not fill a tile yet. */
  readonly #edges: Buffer[][] = []
  /** Entries of the bundle that grows, as they lie in its file. */
  #growing: Buffer[] = []
  #fullBundles = 0
  #range = new CompactRange()
  #fd = -1
  #origin: string
  #signed: Signed | undefined
  #lastRead: { readonly number: number; readonly entries: readonly Buffer[] } | undefined
  #lastTile: { readonly name: string; readonly hashes: readonly Buffer[] } | undefined
  #waiting: Waiting[] = []
  #signing: Promise<void> | undefined
  #keeping: Promise<void> = Promise.resolve()
  #keptSize = 0
  #lastRemembered = ''
  readonly #published = new Map<string, { lastMs?: number; problem?: string }>()
  #timer: NodeJS.Timeout | undefined
  #failure: Fault | undefined

  constructor(options: SessionLogOptions) {
    this.#options = options
    this.#origin = options.origin
    this.#append = options.append ?? appendAll
    this.#watch = options.watch ?? (action => action())
    this.#files = new TreeFiles(options.folder)
    mkdirSync(options.folder, { recursive: true, mode: 0o700 })
    this.#continue()
    if (this.#signed?.size !== this.size) this.#signSoon(0)
  }

  get size(): number {
    return this.#range.size
  }

  get failure(): Fault | undefined {
    return this.#failure
  }

  get origin(): string {
    return this.#origin
  }

  leafAt(index: number): StampedLeaf | undefined {
    return index >= 0 && index < this.size ? decodeLeaf(this.#entry(index)) : undefined
  }

  consistency(earlier: number, later: number): readonly Buffer[] {
    if (!(earlier > 0 && earlier <= later && later <= this.size))
      throw new RangeError(`the log has ${this.size} entries`)
    return consistencySpans(earlier, later).map(span => spanRoot(span, this.#hashAt))
  }

  get publishers(): readonly PublisherState[] {
    return (this.#options.publishers ?? []).map(({ name }) => {
      const { lastMs, problem } = this.#published.get(name) ?? {}
      return { name, lastMs, problem }
    })
  }

  add(leaf: Leaf): number {
    if (this.#failure !== undefined) throw this.#failure
    const entry = encodeLeaf(leaf, new Date(this.#options.clock.nowMs()).toISOString())
    const stored = encodeEntry(entry)
    try {
      this.#watch(() => {
        this.#append(this.#fd, [stored])
        this.#growing.push(stored)
        this.#grow(leafHash(entry))
      })
    } catch (cause) {
      this.#failure = logFailed(cause)
      this.#options.log.error({ reason: reasonOf(cause) }, 'the log of sessions has failed')
      throw this.#failure
    }
    this.#signSoon(this.#options.checkpointAfterMs ?? checkpointAfterMs)
    return this.size - 1
  }

  proofOf(index: number): Promise<LeafProof> {
    if (this.#signed !== undefined && index < this.#signed.size)
      return Promise.resolve(this.#proof(index, this.#signed))
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => this.#waiting.push({ index, resolve, reject }))
  }

  find(matches: (leaf: StampedLeaf) => boolean, sinceMs: number): number | undefined {
    for (let index = this.size - 1; index >= 0; index--) {
      const leaf = decodeLeaf(this.#entry(index))
      if (leaf === undefined) continue
      if (matches(leaf)) return index
      if (Date.parse(leaf.at) < sinceMs) return undefined
    }
    return undefined
  }

  async checkpoint(): Promise<void> {
    await this.#signing
    if (this.#failure === undefined && this.#signed?.size !== this.size) await this.#sign()
  }

  async signAnew(): Promise<void> {
    await this.#signing
    if (this.#failure === undefined && this.size > 0) await this.#sign()
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.checkpoint()
    clearTimeout(this.#timer)
    this.#failure ??= logFailed(new Error('the log is closed'))
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
    await this.#keeping.catch(() => {}) // whoever opens the folder next is alone in it
  }

  /** Takes up what is on disk: full tiles, the growing bundle, the newest checkpoint, which all must agree. */
  #continue(): void {
    try {
      this.#fullBundles = this.#files.fullBundles()
      this.#restoreEdges()
      this.#takeUpGrowing()
      this.#lastRemembered = lastWholeLine(this.#files.path(checkpointsFile))
      this.#takeUpCheckpoint()
    } catch (cause) {
      const userText = `The log of sessions in ${this.#options.folder} cannot be continued: ${reasonOf(cause)}. Check it with "sallyport verify", then restore it from a backup.`
      throw new Fault('SESSION_LOG_FAILED', userText, { cause })
    }
  }

  /** Each level's hashes that fill no tile are the roots of the last full tiles of the level below. */
  #restoreEdges(): void {
    let full = this.#fullBundles
    for (let level = 0; full > 0; level++) {
      this.#ensureTiles(level, full)
      const above = full % tileWidth
      const roots = Array.from({ length: above }, (_, at) =>
        rootOf(this.#files.readTile(level, full - above + at)),
      )
      this.#edges[level + 1] = roots
      full = Math.floor(full / tileWidth)
    }
    for (const [level, hashes] of [...this.#edges.entries()].toReversed())
      for (const hash of hashes ?? []) this.#range.append(hash, level * 8)
    this.#edges[0] = []
  }

  /** A crash may come between a bundle and its tile; hashes follow from entries. */
  #ensureTiles(level: number, full: number): void {
    const last = full - 1
    if (this.#files.hasTile(level, last)) return
    const hashes =
      level === 0
        ? this.#files.hashesOfBundle(last)
        : Array.from({ length: tileWidth }, (_, at) =>
            rootOf(this.#files.readTile(level - 1, last * tileWidth + at)),
          )
    this.#files.writeTile(level, last, hashes)
  }

  #takeUpGrowing(): void {
    const path = this.#files.path(growingFile)
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    const { entries, wholeBytes } = decodeEntries(bytes)
    if (wholeBytes < bytes.length) truncateSync(path, wholeBytes) // torn by a crash: nobody was told that it was written
    this.#fd = openSync(path, 'a', 0o600)
    for (const entry of entries) {
      this.#growing.push(encodeEntry(entry))
      this.#grow(leafHash(entry))
    }
  }

  #takeUpCheckpoint(): void {
    const path = this.#files.path(checkpointFile)
    if (!existsSync(path)) return
    const text = readFileSync(path, 'utf8')
    const checkpoint = parseCheckpoint(text)
    if (typeof checkpoint === 'string') throw new Error(checkpoint)
    if (checkpoint.size > this.size)
      throw new Error(`its checkpoint counts ${checkpoint.size} entries and ${this.size} are there`)
    if (!this.#rootAt(checkpoint.size).equals(checkpoint.root))
      throw new Error('its entries are not those of its checkpoint')
    this.#origin = checkpoint.origin
    this.#signed = { size: checkpoint.size, text }
  }

  #grow(hash: Buffer): void {
    this.#range.append(hash)
    this.#pushHash(0, hash)
    if (this.#growing.length === tileWidth) this.#closeBundle()
  }

  #closeBundle(): void {
    fsyncSync(this.#fd)
    closeSync(this.#fd)
    this.#fd = -1
    this.#files.closeBundle(this.#fullBundles)
    this.#fullBundles += 1
    this.#growing = []
    this.#fd = openSync(this.#files.path(growingFile), 'a', 0o600)
  }

  /** A level's hashes fill a tile: its root is a hash of the level above. */
  #pushHash(level: number, hash: Buffer): void {
    const edge = (this.#edges[level] ??= [])
    edge.push(hash)
    if (edge.length < tileWidth) return
    this.#files.writeTile(level, this.#tileNumber(level) - 1, edge)
    this.#edges[level] = []
    this.#pushHash(level + 1, rootOf(edge))
  }

  /** How many tiles of a level are full, by the size of the tree. */
  #tileNumber(level: number): number {
    return Math.floor(this.size / tileWidth ** (level + 1))
  }

  readonly #hashAt = (level: number, position: number): Buffer => {
    const number = Math.floor(position / tileWidth)
    const hashes = number < this.#tileNumber(level) ? this.#fullTile(level, number) : this.#edges[level]
    const hash = hashes?.[position % tileWidth]
    if (hash === undefined) throw new Error(`hash ${position} of level ${level} is missing`)
    return hash
  }

  /** The one read last is kept: a subtree asks for its hashes one by one. */
  #fullTile(level: number, number: number): readonly Buffer[] {
    const name = `${level} ${number}`
    if (this.#lastTile?.name !== name) this.#lastTile = { name, hashes: this.#files.readTile(level, number) }
    return this.#lastTile.hashes
  }

  readonly #roots = new SubtreeRoots((level, position) => this.#hashAt(level, position))

  #rootAt(size: number): Buffer {
    return size === this.size ? this.#range.root() : spanRoot({ from: 0, to: size }, this.#hashAt)
  }

  #signSoon(afterMs: number): void {
    // It holds the process: a start that waits for a proof has nothing else to live for yet.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.#sign()
    }, afterMs)
  }

  /** One at a time; leaves that come meanwhile are for the next one. */
  #sign(): Promise<void> {
    this.#signing ??= this.#signAndKeep()
      .catch((cause: unknown) => {
        this.#options.log.error({ reason: reasonOf(cause) }, 'a checkpoint of the log of sessions failed')
        this.#signSoon(checkpointRetryMs)
      })
      .finally(() => void (this.#signing = undefined))
    return this.#signing
  }

  async #signAndKeep(): Promise<void> {
    const head: TreeHead = { origin: this.#origin, size: this.size, root: this.#range.root() }
    this.#watch(() => this.#writePartials(head.size))
    await this.#reachDisk()
    const text = await signCheckpoint(head, this.#options.signer, ...(this.#options.alsoSigning?.() ?? []))
    this.#watch(() => this.#remember(`${JSON.stringify({ size: head.size, note: text })}\n`))
    await this.#keep({ size: head.size, text })
    const before = this.#signed
    this.#signed = { size: head.size, text }
    this.#watch(() => this.#dropPartials(before?.size ?? 0, head.size))
    this.#answerWaiting(this.#signed)
    void this.#publish(text, head.size)
    if (this.size !== head.size) this.#signSoon(this.#options.checkpointAfterMs ?? checkpointAfterMs)
  }

  /** Each checkpoint is in the history once: the same one is signed again after a crash, or when another key was changed. */
  #remember(line: string): void {
    if (line === this.#lastRemembered) return
    const history = openSync(this.#files.path(checkpointsFile), 'a', 0o600)
    try {
      this.#append(history, [Buffer.from(line)])
    } finally {
      closeSync(history)
    }
    this.#lastRemembered = line
  }

  /** What is signed must outlive a power cut. A bundle that was closed meanwhile has been handed to the disk then. */
  async #reachDisk(): Promise<void> {
    const fd = this.#fd
    await promisify(fsync)(fd).catch((cause: unknown) => {
      if (this.#fd === fd) throw cause
    })
  }

  #writePartials(size: number): void {
    for (const [level, hashes] of this.#edges.entries())
      if (hashes !== undefined && hashes.length > 0)
        this.#files.writeTile(level, this.#tileNumber(level), hashes)
    const width = size % tileWidth
    if (width > 0) this.#files.writePartialBundle(this.#fullBundles, width, Buffer.concat(this.#growing))
  }

  /** Readers of the checkpoint before this one still find its tiles. */
  #dropPartials(...sizes: readonly number[]): void {
    for (let level = 0; tileWidth ** level <= this.size; level++) {
      const widths = sizes.map(size => Math.floor(size / tileWidth ** level) % tileWidth)
      this.#files.keepPartials(level, this.#tileNumber(level), widths)
    }
    this.#files.keepPartials(
      'entries',
      this.#fullBundles,
      sizes.map(size => size % tileWidth),
    )
  }

  #answerWaiting(signed: Signed): void {
    const due = this.#waiting.filter(({ index }) => index < signed.size)
    this.#waiting = this.#waiting.filter(({ index }) => index >= signed.size)
    for (const { index, resolve, reject } of due) {
      try {
        resolve(this.#proof(index, signed))
      } catch (cause) {
        reject(cause)
      }
    }
  }

  /** C2SP tlog-proof. */
  #proof(index: number, signed: Signed): LeafProof {
    const hashes = inclusionSpans(index, signed.size).map(span => this.#roots.over(span))
    const lines = hashes.map(hash => `${hash.toString('base64')}\n`).join('')
    return {
      entry: this.#entry(index).toString(),
      proof: `c2sp.org/tlog-proof@v1\nindex ${index}\n${lines}\n${signed.text}`,
    }
  }

  #entry(index: number): Buffer {
    const bundle = Math.floor(index / tileWidth)
    const entry =
      bundle < this.#fullBundles
        ? this.#bundle(bundle)[index % tileWidth]
        : this.#growing[index % tileWidth]?.subarray(2)
    if (entry === undefined) throw new Error(`entry ${index} is missing`)
    return entry
  }

  /** The one read last is kept: whoever looks back reads entry by entry. */
  #bundle(number: number): readonly Buffer[] {
    if (this.#lastRead?.number !== number)
      this.#lastRead = { number, entries: this.#files.readBundle(number) }
    return this.#lastRead.entries
  }

  async #publish(text: string, size: number): Promise<void> {
    const proofFrom: ConsistencyProof = earlier =>
      consistencySpans(earlier, size).map(span => spanRoot(span, this.#hashAt))
    for (const publisher of this.#options.publishers ?? []) {
      try {
        await this.#cosign(await publisher.publish(text, proofFrom), size)
        this.#published.set(publisher.name, { lastMs: this.#options.clock.nowMs() })
      } catch (cause) {
        const said = { publisher: publisher.name, reason: reasonOf(cause) }
        const { lastMs } = this.#published.get(publisher.name) ?? {}
        this.#published.set(publisher.name, {
          ...(lastMs === undefined ? {} : { lastMs }),
          problem: said.reason,
        })
        this.#options.log.error(said, 'a checkpoint could not be published')
      }
    }
  }

  /** Others' signatures join the checkpoint as long as it is the newest. */
  async #cosign(lines: readonly string[], size: number): Promise<void> {
    const signed = this.#signed
    if (lines.length === 0 || signed?.size !== size || this.#fd < 0) return
    this.#signed = { size, text: signed.text + lines.map(line => `${line}\n`).join('') }
    await this.#keep(this.#signed)
  }

  /** One after the other, and never an older one over a newer. */
  #keep({ size, text }: Signed): Promise<void> {
    this.#keeping = this.#keeping
      .catch(() => {}) // whoever wrote that one was told
      .then(async () => {
        if (size < this.#keptSize) return
        await this.#files.writeCheckpoint(text)
        this.#keptSize = size
      })
    return this.#keeping
  }
}
