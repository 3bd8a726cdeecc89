import { chmodSync, closeSync, fsync, mkdirSync, openSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { firstLink, linkOf } from '../chain.ts'
import type { Clock } from '../clock.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppendSync, Signer } from '../model.ts'
import { appendAll } from './append.ts'
import { type Checkpoint, signCheckpoint } from './checkpoint.ts'
import { type AuditValue, decodeLine, encodeLine, storedFields } from './line.ts'
import { firstSequenceOf, segmentName, segmentsIn, tailOf } from './segments.ts'

/** A file of the log is left for the next one at this size. */
const maxSegmentBytes = 64 * 1024 * 1024
/** A checkpoint is signed after so many lines ... */
const checkpointEveryLines = 100
/** ... or so long after the first line that none covers. */
const checkpointAfterMs = 60_000
/** Of a line that a crash has torn, so much is kept in its note. */
const maxTornBytes = 2048

/** Each is explained in docs/auditing.md. */
export const auditKinds = [
  'gateway-start',
  'gateway-stop',
  'sign-in',
  'code-shown',
  'key-enrolled',
  'key-revoked',
  'password-made',
  'password-revoked',
  'refusal',
  'session-open',
  'session-close',
  'credential-minted',
  'credential-removed',
  'credential-stuck',
  'host-key-learned',
  'probe',
  'reload',
  'recording-read',
  'watch-begin',
  'watch-end',
  'search',
  'index-rebuilt',
  'comment-added',
  'verdict-given',
  'session-assigned',
  'end-asked',
  'purge-decided',
  'purge-done',
  'purge-stopped',
  'hold-placed',
  'hold-released',
  'person-forgotten',
  'recording-stored',
  'storage-failing',
  'storage-recovered',
  'cancel-request',
  'worker-start',
  'worker-end',
  'finding-noticed',
  'finding-decided',
  'finding-suppressed',
  'finding-unsuppressed',
  'finding-contested',
  'findings-removed',
  'name-asked',
  'name-decided',
  'session-held',
  'session-released',
  'letter-retried',
  'letter-dropped',
  'sink-disabled',
  'sink-resumed',
  'ask-followed',
  'ask-refused',
  'authority-change',
  'authority-key',
] as const
export type AuditKind = (typeof auditKinds)[number]

/** Something that happened, with named fields. Texts may be hostile: they are stored as JSON texts and cut at a limit. */
export type AuditEvent = { readonly kind: AuditKind; readonly [field: string]: AuditValue }

/** A stored line, its newline included, and a checkpoint that ends with it: together they prove it without any other line. */
export type SignedLine = { readonly line: string; readonly checkpoint: Checkpoint }

/** The log of the process that writes it. */
export type SigningAuditLog = AuditLog & {
  /** Appends, and signs the log up to that line. Rejects with a Fault AUDIT_APPEND_FAILED. */
  readonly appendSigned: (event: AuditEvent) => Promise<SignedLine>
}

export type AuditLog = {
  /** The event is with the operating system when this returns. Throws a Fault AUDIT_APPEND_FAILED, and from then on always. */
  readonly append: (event: AuditEvent) => void
  /** Notes that a target is connected to without a session, and gives the evidence for it. Throws as `append`. */
  readonly probe: (target: string, why: string) => Probe
  /** Set once nothing can be written any more. */
  readonly failure: Fault | undefined
  /** Signs what is there and closes the file. */
  readonly close: () => Promise<void>
}

export type AuditLogOptions = {
  readonly folder: string
  /** The key of log checkpoints. */
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Log
  /** Guard it with a watchdog. */
  readonly append?: AppendSync
  /** Hears how far the log goes at each of its checkpoints: up to which line, and that line's link in hexadecimal. */
  readonly onCheckpoint?: (upTo: number, link: string) => void
  /** A file's size; smaller in tests. */
  readonly segmentBytes?: number
}

/**
 * Opens the log and goes on where it ended. It must be the only writer. Throws a Fault AUDIT_APPEND_FAILED if the last
 * line cannot be continued: a log that was damaged is for somebody to look at.
 */
export function openAuditLog(options: AuditLogOptions): SigningAuditLog {
  const log = new FolderLog(options)
  log.begin()
  return log
}

/** Evidence that a connection to a target without a session (`check`, the broker) is in the audit log. */
class Probe {
  readonly #issued = true
  readonly target: string
  readonly why: string

  constructor(target: string, why: string) {
    this.target = target
    this.why = why
  }

  static is(value: object): value is Probe {
    return #issued in value
  }
}
export type { Probe }

/** For the other audit log of this part, once it has taken the entry. */
export function newProbe(target: string, why: string): Probe {
  return new Probe(target, why)
}

/** Whether the value is a Probe that this module made; for checks where types do not reach. */
export function isProbe(value: object): value is Probe {
  return Probe.is(value)
}

function appendFailed(cause: unknown): Fault {
  const userText =
    "The audit log cannot be written, so nothing is allowed. Ask the operator to look at the gateway's disk."
  return new Fault('AUDIT_APPEND_FAILED', userText, {
    log: `the audit log failed: ${reasonOf(cause)}`,
    cause,
  })
}

const fsyncAsync = promisify(fsync)

class FolderLog implements SigningAuditLog {
  readonly #options: AuditLogOptions
  readonly #append: AppendSync
  #fd = -1
  #segmentBytes = 0
  #sequence = 0
  #link: Buffer = firstLink
  #signedUpTo = 0
  #checkpointing: Promise<void> | undefined
  #retiring: Promise<void> = Promise.resolve()
  #lastLine: Buffer = Buffer.alloc(0)
  #lastCheckpoint: Checkpoint | undefined
  #timer: NodeJS.Timeout | undefined
  #failure: Fault | undefined

  constructor(options: AuditLogOptions) {
    this.#options = options
    this.#append = options.append ?? appendAll
  }

  get failure(): Fault | undefined {
    return this.#failure
  }

  begin(): void {
    const { folder } = this.#options
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
    const torn = this.#continue(segmentsIn(folder))
    if (torn.length > 0) this.#noteTorn(torn)
    if (this.#sequence > 0) void this.#checkpoint()
  }

  append(event: AuditEvent): void {
    const { kind, ...fields } = event
    this.#write(kind, storedFields(fields))
    if (this.#sequence - this.#signedUpTo >= checkpointEveryLines) void this.#checkpoint()
    this.#timer ??= setTimeout(() => void this.#checkpoint(), checkpointAfterMs).unref()
  }

  async appendSigned(event: AuditEvent): Promise<SignedLine> {
    while (this.#checkpointing !== undefined) await this.#checkpointing // which ends with an earlier line
    this.append(event)
    const line = this.#lastLine.toString()
    const upTo = this.#sequence
    await this.#checkpoint()
    const checkpoint = this.#lastCheckpoint
    if (checkpoint?.upTo === upTo) return { line, checkpoint }
    throw this.#failure ?? appendFailed(new Error('the line could not be signed'))
  }

  probe(target: string, why: string): Probe {
    this.append({ kind: 'probe', target, why })
    return new Probe(target, why)
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#checkpointing
    if (this.#failure === undefined && this.#signedUpTo < this.#sequence) await this.#checkpoint()
    clearTimeout(this.#timer)
    await this.#retiring.catch(() => {})
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
    this.#failure ??= appendFailed(new Error('the log is closed'))
  }

  /** Finds the last line and takes torn bytes off the last file; returns them. */
  #continue(segments: readonly string[]): Buffer {
    const last = segments.at(-1)
    if (last === undefined) return Buffer.alloc(0)
    const { line, torn, wholeBytes } = tailOf(last)
    if (line.length === 0) this.#continueAfter(segments.at(-2))
    else this.#takeUp(last, line)
    if (torn.length > 0) truncateSync(last, wholeBytes)
    this.#fd = openSync(last, 'a', 0o600)
    this.#segmentBytes = wholeBytes
    return Buffer.from(torn)
  }

  /** The last file was begun and has no whole line: the one before has the last. */
  #continueAfter(path: string | undefined): void {
    if (path !== undefined) this.#takeUp(path, tailOf(path).line)
  }

  #takeUp(path: string, stored: Buffer): void {
    const line = decodeLine(stored)
    if (typeof line === 'string' || line.sequence < firstSequenceOf(path)) {
      const userText = `The last line of the audit log ${path} cannot be continued. Check it with "sallyport verify", then move the file away and keep it.`
      throw new Fault('AUDIT_APPEND_FAILED', userText)
    }
    this.#sequence = line.sequence
    this.#link = linkOf(stored)
  }

  /** A crash in the middle of an append leaves a line that nobody was told was written; what is there of it is kept. */
  #noteTorn(torn: Buffer): void {
    this.#options.log.warn({ bytes: torn.length }, 'the last line of the audit log was torn')
    this.#write('torn-line', {
      bytes: torn.length,
      base64: torn.subarray(0, maxTornBytes).toString('base64'),
    })
  }

  #now(): string {
    return new Date(this.#options.clock.nowMs()).toISOString()
  }

  #write(kind: string, fields: Readonly<Record<string, unknown>>, at: string = this.#now()): void {
    if (this.#failure !== undefined) throw this.#failure
    const sequence = this.#sequence + 1
    const line = encodeLine({
      sequence,
      at,
      previous: this.#link.toString('hex'),
      kind,
      ...fields,
    })
    try {
      this.#append(this.#segment(sequence), [line])
    } catch (error) {
      this.#failure = appendFailed(error)
      this.#options.log.error({ reason: reasonOf(error) }, 'the audit log has failed')
      throw this.#failure
    }
    this.#sequence = sequence
    this.#link = linkOf(line)
    this.#lastLine = line
    this.#segmentBytes += line.length
  }

  #segment(sequence: number): number {
    const isFull = this.#segmentBytes >= (this.#options.segmentBytes ?? maxSegmentBytes)
    if (this.#fd >= 0 && !isFull) return this.#fd
    if (this.#fd >= 0) this.#retire(this.#fd)
    this.#fd = -1
    this.#fd = openSync(join(this.#options.folder, segmentName(sequence)), 'ax', 0o600)
    this.#segmentBytes = 0
    return this.#fd
  }

  /** A file that is full is handed to the disk off the event loop. */
  #retire(fd: number): void {
    this.#retiring = this.#retiring.then(() => fsyncAsync(fd)).finally(() => closeSync(fd))
    this.#retiring.catch(() => {}) // told where it is waited for
  }

  /** Signs the log as it is now, and appends the signature when it is there. One at a time. */
  #checkpoint(): Promise<void> {
    this.#checkpointing ??= this.#signAndAppend()
      .catch((error: unknown) =>
        this.#options.log.error({ reason: reasonOf(error) }, 'a checkpoint of the audit log failed'),
      )
      .finally(() => void (this.#checkpointing = undefined))
    return this.#checkpointing
  }

  /** What others enter in a log of theirs must outlive a power cut, or its loss would look like somebody's scissors. */
  async #enter(upTo: number, link: string): Promise<void> {
    const fd = this.#fd
    await fsyncAsync(fd).catch((cause: unknown) => {
      if (this.#fd === fd) throw cause // otherwise it was retired meanwhile
    })
    await this.#retiring
    this.#options.onCheckpoint?.(upTo, link)
  }

  async #signAndAppend(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const upTo = this.#sequence
    const checkpoint = await signCheckpoint(
      upTo,
      this.#link.toString('hex'),
      this.#now(),
      this.#options.signer,
    )
    this.#write('checkpoint', checkpoint)
    this.#lastCheckpoint = checkpoint
    // The checkpoint's own line needs none; lines that came meanwhile do.
    this.#signedUpTo = this.#sequence === upTo + 1 ? this.#sequence : upTo
    if (this.#signedUpTo < this.#sequence)
      this.#timer ??= setTimeout(() => void this.#checkpoint(), checkpointAfterMs).unref()
    if (this.#options.onCheckpoint !== undefined) await this.#enter(upTo, checkpoint.link)
  }
}
