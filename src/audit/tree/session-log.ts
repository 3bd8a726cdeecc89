/**
 * The log of sessions: an append-only Merkle tree whose leaves say that a session was opened or sealed, and how far the audit
 * log went. Whoever holds one of its signed checkpoints can tell later that nothing was removed, replaced or reordered. Its files
 * are those of C2SP tlog-tiles, so that other people's tools read them.
 */
import { mkdirSync } from 'node:fs'
import type { Clock } from '../../clock.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AppendSync, Signer, Watch } from '../../model.ts'
import { appendAll } from '../append.ts'
import { parseCheckpoint, signCheckpoint, type TreeHead } from './checkpoint.ts'
import { GrowingTree } from './growing-tree.ts'
import { KeptCheckpoints, type Signed } from './kept-checkpoints.ts'
import { decodeLeaf, encodeLeaf, type Leaf, type StampedLeaf } from './leaf.ts'
import { type Publisher, Publishers, type PublisherState } from './publishers.ts'
import { encodeEntry } from './tile.ts'
import { TreeFiles } from './tree-files.ts'

/** A checkpoint is signed so long after a leaf that none covers: those that come meanwhile share it. */
const checkpointAfterMs = 1000
/** After a signer or a disk failed, it is tried again so much later. */
const checkpointRetryMs = 10_000

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

type Waiting = {
  readonly index: number
  readonly resolve: (proof: LeafProof) => void
  readonly reject: (cause: unknown) => void
}

class TreeLog implements SessionLog, SessionLogView {
  readonly #options: SessionLogOptions
  readonly #watch: Watch
  readonly #tree: GrowingTree
  readonly #kept: KeptCheckpoints
  readonly #publishers: Publishers
  #origin: string
  #signed: Signed | undefined
  #waiting: Waiting[] = []
  #signing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #failure: Fault | undefined

  constructor(options: SessionLogOptions) {
    this.#options = options
    this.#origin = options.origin
    this.#watch = options.watch ?? (action => action())
    const files = new TreeFiles(options.folder)
    const append = options.append ?? appendAll
    this.#tree = new GrowingTree(files, append)
    this.#kept = new KeptCheckpoints(files, append)
    this.#publishers = new Publishers(options.publishers ?? [], options)
    mkdirSync(options.folder, { recursive: true, mode: 0o700 })
    this.#continue()
    if (this.#signed?.size !== this.size) this.#signSoon(0)
  }

  get size(): number {
    return this.#tree.size
  }

  get failure(): Fault | undefined {
    return this.#failure
  }

  get origin(): string {
    return this.#origin
  }

  leafAt(index: number): StampedLeaf | undefined {
    return index >= 0 && index < this.size ? decodeLeaf(this.#tree.entry(index)) : undefined
  }

  consistency(earlier: number, later: number): readonly Buffer[] {
    if (!(earlier > 0 && earlier <= later && later <= this.size))
      throw new RangeError(`the log has ${this.size} entries`)
    return this.#tree.consistency(earlier, later)
  }

  get publishers(): readonly PublisherState[] {
    return this.#publishers.states
  }

  add(leaf: Leaf): number {
    if (this.#failure !== undefined) throw this.#failure
    const stored = encodeEntry(encodeLeaf(leaf, new Date(this.#options.clock.nowMs()).toISOString()))
    try {
      this.#watch(() => this.#tree.add(stored))
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
      const leaf = decodeLeaf(this.#tree.entry(index))
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
    this.#tree.close()
    await this.#kept.settle() // whoever opens the folder next is alone in it
  }

  /** Takes up what is on disk: full tiles, the growing bundle, the newest checkpoint, which all must agree. */
  #continue(): void {
    try {
      this.#tree.open()
      const checkpoint = this.#kept.open()
      if (checkpoint !== undefined) this.#goOnFrom(checkpoint)
    } catch (cause) {
      const userText = `The log of sessions in ${this.#options.folder} cannot be continued: ${reasonOf(cause)}. Check it with "sallyport verify", then restore it from a backup.`
      throw new Fault('SESSION_LOG_FAILED', userText, { cause })
    }
  }

  #goOnFrom(text: string): void {
    const checkpoint = parseCheckpoint(text)
    if (typeof checkpoint === 'string') throw new Error(checkpoint)
    if (checkpoint.size > this.size)
      throw new Error(`its checkpoint counts ${checkpoint.size} entries and ${this.size} are there`)
    if (!this.#tree.rootAt(checkpoint.size).equals(checkpoint.root))
      throw new Error('its entries are not those of its checkpoint')
    this.#origin = checkpoint.origin
    this.#signed = { size: checkpoint.size, text }
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
    const head: TreeHead = { origin: this.#origin, size: this.size, root: this.#tree.root() }
    this.#watch(() => this.#tree.writePartials(head.size))
    await this.#tree.reachDisk()
    const text = await signCheckpoint(head, this.#options.signer, ...(this.#options.alsoSigning?.() ?? []))
    const signed: Signed = { size: head.size, text }
    this.#watch(() => this.#kept.remember(signed))
    await this.#kept.keep(signed)
    const before = this.#signed
    this.#signed = signed
    // Readers of the checkpoint before this one still find its tiles.
    this.#watch(() => this.#tree.dropPartials(before?.size ?? 0, head.size))
    this.#answerWaiting(signed)
    void this.#publish(signed)
    if (this.size !== head.size) this.#signSoon(this.#options.checkpointAfterMs ?? checkpointAfterMs)
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
    const hashes = this.#tree.inclusion(index, signed.size)
    const lines = hashes.map(hash => `${hash.toString('base64')}\n`).join('')
    return {
      entry: this.#tree.entry(index).toString(),
      proof: `c2sp.org/tlog-proof@v1\nindex ${index}\n${lines}\n${signed.text}`,
    }
  }

  async #publish({ size, text }: Signed): Promise<void> {
    await this.#publishers.publish(
      text,
      earlier => this.#tree.consistency(earlier, size),
      lines => this.#cosign(lines, size),
    )
  }

  /** Others' signatures join the checkpoint as long as it is the newest. */
  async #cosign(lines: readonly string[], size: number): Promise<void> {
    const signed = this.#signed
    if (lines.length === 0 || signed?.size !== size || !this.#tree.isOpen) return
    this.#signed = { size, text: signed.text + lines.map(line => `${line}\n`).join('') }
    await this.#kept.keep(this.#signed)
  }
}
