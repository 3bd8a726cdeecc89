import { statSync } from 'node:fs'
import { firstLink, linkOf } from '../chain.ts'
import { reasonOf } from '../errors.ts'
import { type Checkpoint, readCheckpoint, signerOf } from './checkpoint.ts'
import { type AuditLine, decodeLine, maxLineBytes } from './line.ts'
import { firstSequenceOf, linesOf, segmentsIn, type StoredLine } from './segments.ts'
import { keyIdOf } from './signature.ts'
import { type Revocation, revokedText } from './revocation.ts'
import type { VerifyResult } from './verify-result.ts'

export type { VerifyResult } from './verify-result.ts'

/**
 * Proves an audit log whole, a folder of it or one of its files, or names the first line that fails: counted from 0 in the
 * file, with its offset. Without keys the signatures are not checked, and a note says so. What a revoked key signed is believed only as
 * far as a later checkpoint by a good key covers it. With what the log of sessions has entered of this log, lines that were cut off its
 * end are missed, and lines that were written anew are found whoever signed them.
 */
export function verifyAudit(
  path: string,
  publicKeyPem?: string | readonly string[],
  { revoked = [], entered = new Map() }: AuditTrust = {},
): VerifyResult {
  const keys = typeof publicKeyPem === 'string' ? [publicKeyPem] : publicKeyPem
  try {
    const files = statSync(path).isDirectory() ? segmentsIn(path) : [path]
    if (files.length === 0)
      return { ok: false, file: path, record: 0, offset: 0, reason: 'no audit log is here' }
    return new Verification(keys, revoked, entered).run(files)
  } catch (error) {
    if (error instanceof LineProblem) return { ok: false, ...error.place, reason: error.message }
    return { ok: false, file: path, record: 0, offset: 0, reason: reasonOf(error) }
  }
}

export type AuditTrust = {
  readonly revoked?: readonly Revocation[]
  /** Links (hexadecimal) by the sequence of their lines, as the log of sessions has them. */
  readonly entered?: ReadonlyMap<number, string>
}

type Place = { readonly file: string; readonly record: number; readonly offset: number }

class LineProblem extends Error {
  readonly place: Place

  constructor(place: Place, reason: string) {
    super(reason)
    this.place = place
  }
}

const checkpointFields = ['upTo', 'link', 'keyId', 'signature']

/** Links of lines that a checkpoint may still speak of: those since the last one, and its signer's delay. */
const maxRememberedLinks = 100_000

class Verification {
  readonly #keys: readonly string[] | undefined
  readonly #revoked: ReadonlyMap<string, Revocation>
  readonly #signedBy = new Set<string>()
  readonly #notes: string[] = []
  readonly #links = new Map<number, string>()
  readonly #entered: ReadonlyMap<number, string>
  /** Where the log ends. */
  #end: Place = { file: '', record: 0, offset: 0 }
  #sequence = 0
  #link: Buffer | undefined
  #records = 0
  #signedUpTo = 0
  #lastCheckpoint = 0
  /** The first checkpoint by a key that the reader did not give, told only if nothing else is wrong. */
  #signedByAnother: LineProblem | undefined
  /** The first checkpoint by a revoked key that none by a good one follows; told likewise. */
  #signedByRevoked: LineProblem | undefined

  constructor(
    keys: readonly string[] | undefined,
    revoked: readonly Revocation[],
    entered: ReadonlyMap<number, string>,
  ) {
    this.#keys = keys
    this.#entered = entered
    this.#revoked = new Map(revoked.map(revocation => [revocation.keyId, revocation]))
  }

  run(files: readonly string[]): VerifyResult {
    this.#begin(files[0] ?? '')
    for (const file of files) this.#checkFile(file, file === files.at(-1))
    this.#checkEnd()
    this.#checkCut()
    if (this.#signedByAnother !== undefined) throw this.#signedByAnother
    if (this.#signedByRevoked !== undefined) throw this.#signedByRevoked
    const sealed = this.#lastCheckpoint === this.#sequence && this.#signedUpTo === this.#sequence - 1
    return {
      ok: true,
      kind: 'audit-log',
      records: this.#records,
      sealed,
      signedBy: [...this.#signedBy],
      notes: this.#notes,
    }
  }

  /** The first line of all follows nothing; that of a later file follows what is not here. */
  #begin(file: string): void {
    const first = firstSequenceOf(file)
    this.#sequence = first - 1
    if (first === 1) this.#link = firstLink
    else this.#notes.push(`It begins with line ${first}: the files before it were not given.`)
  }

  #checkFile(file: string, isLast: boolean): void {
    let record = 0
    if (firstSequenceOf(file) !== this.#sequence + 1) {
      throw new LineProblem(
        { file, record, offset: 0 },
        `the file should begin with line ${this.#sequence + 1}: one is missing or renamed`,
      )
    }
    for (const stored of linesOf(file)) {
      const place = { file, record: record++, offset: stored.offset }
      if (stored.isWhole) this.#checkLine(place, stored)
      else this.#checkTorn(place, stored.bytes, isLast)
    }
  }

  /** Only the very end of the log can be a line that a crash has cut. */
  #checkTorn(place: Place, bytes: Buffer, isLast: boolean): void {
    if (!isLast || bytes.length > maxLineBytes) throw new LineProblem(place, 'the line has no end')
    this.#notes.push(
      `The last ${bytes.length} bytes, from byte ${place.offset}, are a line that is not whole.`,
    )
  }

  #checkLine(place: Place, stored: StoredLine): void {
    const line = decodeLine(stored.bytes)
    if (typeof line === 'string') throw new LineProblem(place, line)
    this.#checkPlace(place, line)
    if (this.#link === undefined) this.#links.set(line.sequence - 1, line.previous)
    this.#sequence = line.sequence
    this.#link = linkOf(stored.bytes)
    this.#remember(line.sequence, this.#link)
    this.#records++
    this.#checkEntered(place, line.sequence)
    this.#end = { file: place.file, record: place.record + 1, offset: place.offset + stored.bytes.length }
    if (line.kind === 'checkpoint') this.#checkCheckpoint(place, line)
    else if (checkpointFields.every(field => field in line))
      throw new LineProblem(place, 'it has what only a checkpoint has, and says that it is none')
  }

  #checkPlace(place: Place, line: AuditLine): void {
    if (line.sequence !== this.#sequence + 1)
      throw new LineProblem(place, `line ${line.sequence} follows line ${this.#sequence}`)
    if (this.#link !== undefined && line.previous !== this.#link.toString('hex')) {
      throw new LineProblem(
        place,
        'it does not continue the line before it: one of the two was changed, moved, added or removed',
      )
    }
  }

  #checkEntered(place: Place, sequence: number): void {
    const link = this.#entered.get(sequence)
    if (link !== undefined && link !== this.#link?.toString('hex'))
      throw new LineProblem(
        place,
        'the log of sessions has another line here: it, or one before it, was written anew',
      )
  }

  /** Only of the newest line that was entered: a cut takes all that follow. */
  #checkCut(): void {
    const last = Math.max(0, ...this.#entered.keys())
    if (last > this.#sequence)
      throw new LineProblem(
        this.#end,
        `the log of sessions knows ${last} lines, and only ${this.#sequence} are there: the rest was removed`,
      )
  }

  #remember(sequence: number, link: Buffer): void {
    this.#links.set(sequence, link.toString('hex'))
    this.#links.delete(sequence - maxRememberedLinks)
  }

  #checkCheckpoint(place: Place, line: AuditLine): void {
    const checkpoint = readCheckpoint(line)
    if (typeof checkpoint === 'string') throw new LineProblem(place, checkpoint)
    const isKnown = this.#links.get(checkpoint.upTo) === checkpoint.link && checkpoint.upTo < line.sequence
    if (!isKnown && checkpoint.upTo >= line.sequence - this.#records) {
      throw new LineProblem(place, 'the checkpoint speaks of another log than this')
    }
    this.#lastCheckpoint = line.sequence
    if (this.#keys === undefined) return
    const signer = signerOf(checkpoint, this.#keys)
    if (signer === undefined && !this.#keys.some(key => keyIdOf(key) === checkpoint.keyId))
      return this.#noteAnother(place, checkpoint)
    if (signer === undefined)
      throw new LineProblem(
        place,
        'the signature of the checkpoint is not by the key that should have signed it',
      )
    this.#signedBy.add(signer)
    this.#signedUpTo = checkpoint.upTo
    this.#noteRevoked(place, this.#revoked.get(signer))
  }

  #noteRevoked(place: Place, revocation: Revocation | undefined): void {
    if (revocation === undefined) this.#signedByRevoked = undefined
    else
      this.#signedByRevoked ??= new LineProblem(
        place,
        `it is signed by a revoked key (${revokedText(revocation)}), and no later checkpoint by a good one covers it; nothing else is wrong`,
      )
  }

  /** Whoever took the key of another gateway, or of another time, should not be told that somebody touched the log. */
  #noteAnother(place: Place, { keyId }: Checkpoint): void {
    this.#signedByAnother ??= new LineProblem(
      place,
      `it says that it is signed with another key than those given, ${keyId}; nothing else is wrong`,
    )
  }

  #checkEnd(): void {
    if (this.#keys === undefined) {
      this.#notes.push('The signatures were not checked: give the public key to prove whose log it is.')
      this.#signedUpTo = this.#lastCheckpoint - 1
      return
    }
    const unsigned =
      this.#sequence - Math.max(this.#signedUpTo, 0) - (this.#lastCheckpoint === this.#sequence ? 1 : 0)
    if (unsigned > 0)
      this.#notes.push(`The last ${unsigned} lines are chained, but no signature covers them yet.`)
  }
}
