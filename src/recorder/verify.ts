import { goodBefore, type Revocation, revokedText } from '../audit/revocation.ts'
import { keyIdOf } from '../audit/signature.ts'
import { decodeLeaf } from '../audit/tree/leaf.ts'
import { checkProof } from '../audit/tree/tree-proof.ts'
import type { VerifyResult } from '../audit/verify-result.ts'
export type { VerifyResult } from '../audit/verify-result.ts'
import { reasonOf } from '../errors.ts'
import type { ContentKeys } from './encryption/content-keys.ts'
import { recipientsOf } from './encryption/auditor-key.ts'
import { type Content, contentOf } from './encryption/content.ts'
import { FormatProblem } from './format.ts'
import { type Frame, FrameReader } from './frames.ts'
import { readHeader, type RecordingHeader } from './header.ts'
import { lookAtChunk, type ReadOptions } from './reader.ts'
import { proofBody, type ProofOf, readProof } from './register.ts'
import { type HeadText, isSignedBy, readHeadText, readSealText, signingIn } from './signed.ts'

/**
 * Proves a recording whole, or names the first record that fails and its offset. Works on files that are not sealed (and
 * says so) and offline. `publicKeyPem` is the key, or the keys, that the reader trusts; without one the recording's own
 * word is taken for whose key it is, which shows damage but not forgery, and a note says so. Of an encrypted recording the
 * chain is proven without any key to its content; with `keys` each event is opened and checked besides. What only a revoked key
 * signed is not believed, unless the log of sessions shows that it was sealed while the key was good.
 */
export function verifyRecording(
  file: string,
  publicKeyPem?: string | readonly string[],
  { keys, revoked = [] }: ReadOptions & { readonly revoked?: readonly Revocation[] } = {},
): VerifyResult {
  try {
    const frames = new FrameReader(file)
    try {
      return new Verification(frames, publicKeyPem, keys, revoked).run()
    } finally {
      frames.close()
    }
  } catch (error) {
    if (error instanceof FormatProblem)
      return { ok: false, file, record: error.record, offset: error.offset, reason: error.reason }
    return { ok: false, file, record: 0, offset: 0, reason: reasonOf(error) }
  }
}

class Verification {
  readonly #frames: FrameReader
  readonly #trusted: readonly string[] | undefined
  readonly #revoked: ReadonlyMap<string, Revocation>
  readonly #signedBy = new Set<string>()
  readonly #notes: string[] = []
  readonly #contentKeys: ContentKeys | undefined
  #content: Content = { kind: 'clear' }
  #header: RecordingHeader | undefined
  #headerLink: Buffer | undefined
  #sealLink: Buffer | undefined
  #keys: readonly string[] = []
  #records = 0
  #signedRecords = 0
  #chunks = 0
  #events = 0
  #bytes = 0
  #lastUs = 0
  #isSealed = false
  /** What proofs there were of, in their order. */
  readonly #proven: ProofOf[] = []
  /** The first signature by a key that the reader did not give, told only if nothing else is wrong. */
  #signedByAnother: FormatProblem | undefined
  /** The first signature by a revoked key that none by a good one follows. */
  #byRevoked: { readonly frame: Frame; readonly revocation: Revocation } | undefined
  /** When the log of sessions, signed by a good key that was given, took in the seal. */
  #sealEnteredAt: string | undefined

  constructor(
    frames: FrameReader,
    publicKeyPem: string | readonly string[] | undefined,
    contentKeys: ContentKeys | undefined,
    revoked: readonly Revocation[],
  ) {
    this.#frames = frames
    this.#revoked = new Map(revoked.map(revocation => [revocation.keyId, revocation]))
    this.#contentKeys = contentKeys
    this.#trusted = typeof publicKeyPem === 'string' ? [publicKeyPem] : publicKeyPem
  }

  run(): VerifyResult {
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
      this.#check(frame)
      this.#records++
    }
    if (this.#header === undefined) throw new FormatProblem(0, 0, 'the header is cut')
    this.#checkEnd()
    if (this.#signedByAnother !== undefined) throw this.#signedByAnother
    this.#judgeRevoked()
    return {
      ok: true,
      kind: 'recording',
      session: this.#header.session,
      records: this.#records,
      sealed: this.#isSealed,
      signedBy: [...this.#signedBy],
      notes: this.#notes,
    }
  }

  #check(frame: Frame): void {
    if (frame.kind === 'header') this.#checkHeader(frame)
    else if (frame.kind === 'chunk') this.#checkChunk(frame)
    else if (frame.kind === 'head') this.#checkHead(frame)
    else if (frame.kind === 'seal') this.#checkSeal(frame)
    else this.#checkProof(frame)
  }

  #checkHeader(frame: Frame): void {
    const header = readHeader(frame.body)
    if (typeof header === 'string') throw problem(frame, header)
    this.#header = header
    this.#content = contentOf(header, this.#contentKeys)
    this.#noteEncryption(header)
    this.#headerLink = frame.link
    this.#keys = this.#trusted ?? [header.signing.publicKey]
    if (this.#trusted === undefined) {
      this.#notes.push(
        'Checked with the key that the recording itself names: give the public key to prove whose it is.',
      )
    }
  }

  #noteEncryption({ encryption }: RecordingHeader): void {
    if (encryption === null) return
    const recipients = `Encrypted to ${recipientsOf(encryption).join(', ')}`
    this.#notes.push(
      this.#content.kind === 'open'
        ? `${recipients}: opened with the key of one of them, and what it holds was checked.`
        : `${recipients}: the file is proven without their keys, and what it holds was not looked at.`,
    )
  }

  #checkChunk(frame: Frame): void {
    const { head } = lookAtChunk(frame, this.#content)
    if (head.number !== this.#chunks + 1)
      throw problem(frame, `chunk ${head.number} follows chunk ${this.#chunks}`)
    if (head.firstSequence !== this.#events + 1) {
      throw problem(
        frame,
        `it begins with event ${head.firstSequence} and the one before ended with ${this.#events}`,
      )
    }
    if (head.firstUs < this.#lastUs) throw problem(frame, 'time goes backwards')
    this.#chunks++
    this.#events += head.events
    this.#bytes += head.inflatedBytes
    this.#lastUs = head.lastUs
  }

  #checkHead(frame: Frame): void {
    const text = readHeadText(frame.body)
    if (typeof text === 'string') throw problem(frame, `the head cannot be read: ${text}`)
    this.#checkCounts(frame, text)
    this.#checkSignature('head', frame, signingIn(text))
  }

  #checkSeal(frame: Frame): void {
    const seal = readSealText(frame.body)
    if (typeof seal === 'string') throw problem(frame, `the seal cannot be read: ${seal}`)
    this.#checkCounts(frame, seal)
    if (seal.durationUs !== this.#lastUs) throw problem(frame, 'the seal gives another duration')
    this.#checkSignature('seal', frame, signingIn(seal))
    this.#isSealed = true
    this.#sealLink = frame.link
    if (seal.interrupted) this.#notes.push(`Interrupted: ${seal.reason}`)
    this.#notes.push(...(seal.notes ?? []))
  }

  /** Its entry speaks of this recording's own header or seal, and a signed checkpoint of the log covers it. */
  #checkProof(frame: Frame): void {
    const { of, ...proof } = readProof(frame.body)
    if (!frame.body.equals(proofBody({ of, ...proof })))
      throw problem(frame, 'the proof is not written as it should be')
    if (this.#proven.includes(of) || this.#proven.includes('session-seal'))
      throw problem(frame, 'a proof stands twice, or in another order than it was added')
    this.#proven.push(of)
    const leaf = decodeLeaf(Buffer.from(proof.entry))
    const link = of === 'session-open' ? this.#headerLink : this.#sealLink
    const isOurs =
      leaf?.kind === of && leaf.session === this.#header?.session && leaf.sha256 === link?.toString('hex')
    if (!isOurs) throw problem(frame, 'the proof is about another recording')
    const checked = checkProof(proof, this.#trusted)
    if (typeof checked === 'string') throw problem(frame, checked)
    const what = of === 'session-open' ? 'opening' : 'seal'
    const { index, checkpoint, signedBy } = checked
    const isGood = signedBy !== undefined && !this.#revoked.has(keyIdOf(signedBy))
    if (of === 'session-seal' && isGood) this.#sealEnteredAt = leaf.at
    const by = signedBy === undefined ? 'whose key was not given, so its signature was not checked' : 'signed'
    this.#notes.push(`Its ${what} is entry ${index} in the log of ${checkpoint.origin} (${by}).`)
  }

  #checkCounts(frame: Frame, counts: Pick<HeadText, 'chunks' | 'events' | 'bytes'>): void {
    const isSame =
      counts.chunks === this.#chunks && counts.events === this.#events && counts.bytes === this.#bytes
    if (!isSame) throw problem(frame, `the ${frame.kind} counts other chunks, events or bytes than there are`)
  }

  /** `claimed` is the key that the frame names, if another than the header's. */
  #checkSignature(kind: 'head' | 'seal', frame: Frame, claimed: string | undefined): void {
    const keys = this.#trusted === undefined && claimed !== undefined ? [claimed] : this.#keys
    const key = keys.find(key => isSignedBy(kind, frame.stored, key))
    if (key === undefined) return this.#checkOwnSignature(kind, frame, claimed)
    const keyId = keyIdOf(key)
    this.#signedBy.add(keyId)
    this.#signedRecords = this.#records + 1
    const revocation = this.#revoked.get(keyId)
    if (revocation === undefined) this.#byRevoked = undefined
    else this.#byRevoked ??= { frame, revocation }
  }

  /** Whoever has a stolen key can sign anything, but cannot enter it in the past of a log that another key signs. */
  #judgeRevoked(): void {
    if (this.#byRevoked === undefined) return
    const { frame, revocation } = this.#byRevoked
    const isOlder = this.#sealEnteredAt !== undefined && this.#sealEnteredAt < goodBefore(revocation)
    if (!isOlder)
      throw problem(
        frame,
        `it is signed by a revoked key (${revokedText(revocation)}); nothing else is wrong`,
      )
    this.#notes.push(
      `Signed by a key that was revoked later (${revokedText(revocation)}): the log of sessions has its seal since ${this.#sealEnteredAt}.`,
    )
  }

  /** Whoever took the key of another gateway, or of another time, should not be told that somebody touched the file. */
  #checkOwnSignature(kind: 'head' | 'seal', frame: Frame, claimed: string | undefined): void {
    const own = claimed ?? this.#header?.signing.publicKey ?? ''
    if (!isSignedBy(kind, frame.stored, own))
      throw problem(frame, `the signature of the ${kind} is not by the key that should have signed it`)
    this.#signedRecords = this.#records + 1
    this.#signedByAnother ??= problem(
      frame,
      `it is signed with another key than those given, ${keyIdOf(own)}; with that key all of the file is right`,
    )
  }

  /** A file that ends without a seal is a live recording, or what a crash or somebody's scissors left. */
  #checkEnd(): void {
    if (this.#isSealed) this.#checkAfterSeal()
    else this.#noteOpenEnd()
  }

  #noteOpenEnd(): void {
    const unsigned = this.#records - this.#signedRecords
    this.#notes.push(
      'Not sealed: the session is still open, the gateway has stopped, or the end of the file was cut off.',
    )
    if (unsigned > 0)
      this.#notes.push(`The last ${unsigned} records are chained, but no signature covers them yet.`)
    const { tornBytes, offset } = this.#frames.tail ?? { tornBytes: 0, offset: 0 }
    if (tornBytes > 0)
      this.#notes.push(`The last ${tornBytes} bytes, from byte ${offset}, are a record that is not whole.`)
  }

  #checkAfterSeal(): void {
    const { tornBytes, offset } = this.#frames.tail ?? { tornBytes: 0, offset: 0 }
    if (tornBytes > 0)
      throw new FormatProblem(this.#records, offset, `${tornBytes} bytes stand after the seal`)
  }
}

function problem(frame: Frame, reason: string): FormatProblem {
  return new FormatProblem(frame.record, frame.offset, reason)
}
