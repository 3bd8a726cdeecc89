/**
 * Enters recordings in the log of sessions: a leaf when one is opened, a leaf when it is sealed, and behind the seal the
 * proofs that both are there, so that a recording proves by itself that the gateway announced it.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, truncateSync } from 'node:fs'
import { appendAll } from '../audit/append.ts'
import type { LeafProof, SessionLog } from '../audit/tree/session-log.ts'
import type { StampedLeaf } from '../audit/tree/leaf.ts'
import type { AppendSync, Watch } from '../model.ts'
import { frameHead } from './format.ts'
import { FrameReader } from './frames.ts'

/** Leaves are stamped with the wall's clock, which may have been set back since. */
const clockMarginMs = 86_400_000

export type ProofOf = 'session-open' | 'session-seal'

/** What the proof frame of a recording holds. */
export type ProofText = LeafProof & { readonly of: ProofOf }

/** The frames of a recording that the log speaks of, and the proofs that it has. */
export type Anchors = {
  readonly header: Buffer
  readonly seal: Buffer | undefined
  readonly proofs: readonly ProofText[]
}

/** Cuts off what a power cut has left of a proof, so that it is written anew. The seal and what it covers stay. */
export function cutTornProof(file: string): void {
  const frames = new FrameReader(file)
  let isSealed = false
  try {
    for (let frame = frames.next(); frame !== undefined; frame = frames.next())
      isSealed ||= frame.kind === 'seal'
  } finally {
    frames.close()
  }
  const { tornBytes, offset } = frames.tail ?? { tornBytes: 0, offset: 0 }
  if (isSealed && tornBytes > 0) truncateSync(file, offset)
}

/** Reads the links of header and seal, and the proofs. Throws as FrameReader does. */
export function anchorsOf(file: string): Anchors {
  const frames = new FrameReader(file)
  try {
    let [header, seal]: (Buffer | undefined)[] = []
    const proofs: ProofText[] = []
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
      if (frame.kind === 'header') header = frame.link
      if (frame.kind === 'seal') seal = frame.link
      if (frame.kind === 'proof') proofs.push(readProof(frame.body))
    }
    if (header === undefined) throw new Error('the header is cut')
    return { header, seal, proofs }
  } finally {
    frames.close()
  }
}

/** The text of a proof's body; fields that are none are empty, and prove nothing. */
export function readProof(body: Buffer): ProofText {
  let fields: Record<string, unknown> = {}
  try {
    fields = JSON.parse(body.toString()) as Record<string, unknown>
  } catch {
    // proves nothing
  }
  const of = fields['of'] === 'session-open' ? 'session-open' : 'session-seal'
  return { of, entry: text(fields['entry']), proof: text(fields['proof']) }
}

/** The one way to write it. */
export function proofBody({ of, entry, proof }: ProofText): Buffer {
  return Buffer.from(JSON.stringify({ of, entry, proof }))
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

export class Register {
  readonly #log: SessionLog
  readonly #disk: { readonly append: AppendSync; readonly watch: Watch }
  /** Leaves of the openings of this process, until their sessions are sealed. */
  readonly #opened = new Map<string, number>()
  readonly #pending = new Set<Promise<void>>()

  constructor(
    log: SessionLog,
    disk: { readonly append: AppendSync; readonly watch: Watch } = {
      append: appendAll,
      watch: action => action(),
    },
  ) {
    this.#log = log
    this.#disk = disk
  }

  /** The leaf is with the operating system when this returns. Throws Fault SESSION_LOG_FAILED. */
  opened(session: string, header: Buffer): void {
    const leaf = { kind: 'session-open', session, sha256: header.toString('hex') } as const
    this.#opened.set(session, this.#log.add(leaf))
  }

  /** Adds what the log lacks of a sealed recording, and to the recording what it lacks of proofs. */
  sealed(session: string, file: string, anchors: Anchors & { readonly openedAtMs: number }): Promise<void> {
    const registering = this.#register(session, file, anchors).finally(() =>
      this.#pending.delete(registering),
    )
    this.#pending.add(registering)
    return registering
  }

  /** Waits for the proofs of what was sealed. */
  async settle(): Promise<void> {
    await this.#log.checkpoint()
    await Promise.allSettled(this.#pending)
  }

  async #register(
    session: string,
    file: string,
    { header, seal, proofs, openedAtMs }: Anchors & { readonly openedAtMs: number },
  ): Promise<void> {
    if (seal === undefined) throw new Error('the recording is not sealed')
    const links = { 'session-open': header, 'session-seal': seal }
    for (const kind of ['session-open', 'session-seal'] as const) {
      const wanted = { kind, session, sha256: links[kind].toString('hex') } as const
      const index = this.#indexOf(wanted, openedAtMs - clockMarginMs)
      if (proofs.some(proof => proof.of === kind)) continue
      const proof = { of: kind, ...(await this.#log.proofOf(index)) }
      this.#disk.watch(() => appendProof(file, seal, proof, this.#disk.append))
    }
    this.#opened.delete(session)
  }

  #indexOf(wanted: { kind: ProofOf; session: string; sha256: string }, sinceMs: number): number {
    const opened = this.#opened.get(wanted.session)
    if (opened !== undefined) return wanted.kind === 'session-open' ? opened : this.#log.add(wanted)
    // Another process opened it, and may have come further: looked for in all leaves since, which takes its time.
    return this.#log.find(leaf => isSame(leaf, wanted), sinceMs) ?? this.#log.add(wanted)
  }
}

function isSame(leaf: StampedLeaf, wanted: { kind: ProofOf; session: string; sha256: string }): boolean {
  return leaf.kind === wanted.kind && leaf.session === wanted.session && leaf.sha256 === wanted.sha256
}

/** All of it or nothing: half a proof behind the seal would look like tampering. */
function appendProof(file: string, seal: Buffer, proof: ProofText, append: AppendSync): void {
  const body = proofBody(proof)
  const fd = openSync(file, 'a')
  const { size } = fstatSync(fd)
  try {
    append(fd, [Buffer.concat([frameHead('proof', body.length, seal), body])])
  } catch (cause) {
    ftruncateSync(fd, size)
    throw cause
  } finally {
    closeSync(fd)
  }
}
