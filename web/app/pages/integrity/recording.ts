/**
 * Proves a stored recording in the browser, as far as recordings/README.md ("To verify") goes without opening its chunks, and says of each
 * claim whether it was verified, failed, or was not checked.
 */
import { type Bytes, isSame, joined, sha256, toHex, utf8 } from './bytes.ts'
import { type Checkpoint, checkInclusion, claimsOneOf, signerOf } from './checkpoint.ts'
import { isSignature, keyIdOf, keyOfPem, signatureBytes } from './ed25519.ts'
import { chainedFrames, type Frame, FrameProblem } from './frames.ts'
import type { TrustedKey } from './trust.ts'

export type CheckState = 'verified' | 'failed' | 'not-checked'
export type Check = { readonly name: string; readonly state: CheckState; readonly says: string }

export type RecordingProof = {
  readonly checks: readonly Check[]
  readonly records: number
  readonly bytes: number
  readonly session?: string
  /** Checkpoints that proofs of the recording lead to. */
  readonly checkpoints: readonly Checkpoint[]
}

type Counts = { chunks: number; events: number; bytes: number; lastUs: number }
type Signed = { readonly keyId: string; readonly trusted: TrustedKey | undefined }

/**
 * `pieces` are the stored bytes in order; `keys` those that are believed; `isOver`: the session has ended, so its recording has an end, too.
 * Never throws for what is in the file.
 */
export async function proveRecording(
  pieces: AsyncIterable<Uint8Array>,
  {
    session,
    keys,
    isOver,
  }: { readonly session: string; readonly keys: readonly TrustedKey[]; readonly isOver: boolean },
): Promise<RecordingProof> {
  const state = new Proof(session, keys, isOver)
  const tail = { tornBytes: 0 }
  try {
    for await (const frame of chainedFrames(pieces, tail)) await state.take(frame)
  } catch (error) {
    if (!(error instanceof FrameProblem)) throw error
    state.fail(error)
  }
  return state.result(tail.tornBytes)
}

class Proof {
  readonly #session: string
  readonly #keys: readonly TrustedKey[]
  readonly #isOver: boolean
  readonly #counts: Counts = { chunks: 0, events: 0, bytes: 0, lastUs: 0 }
  readonly #signed: Signed[] = []
  readonly #proofs: Check[] = []
  readonly #checkpoints: Checkpoint[] = []
  #records = 0
  #bytes = 0
  #sinceSigned = 0
  #ownKey = ''
  #headerHash: Bytes | undefined
  #sealHash: Bytes | undefined
  #seal: Record<string, unknown> | undefined
  #isEncrypted = false
  #problem: FrameProblem | undefined

  constructor(session: string, keys: readonly TrustedKey[], isOver: boolean) {
    this.#session = session
    this.#keys = keys
    this.#isOver = isOver
  }

  async take(frame: Frame): Promise<void> {
    if (frame.kind === 'header') await this.#header(frame)
    else if (frame.kind === 'chunk') this.#chunk(frame)
    else if (frame.kind === 'proof') await this.#proof(frame)
    else await this.#signature(frame, frame.kind)
    this.#records++
    this.#bytes += frame.bytes.length
  }

  fail(problem: FrameProblem): void {
    this.#problem ??= problem
  }

  async #header(frame: Frame): Promise<void> {
    const header = jsonOf(frame.body)
    if (header?.['session'] !== this.#session)
      throw new FrameProblem(frame.record, frame.offset, 'the header names another session')
    this.#headerHash = await sha256(frame.bytes)
    this.#ownKey = textOf(recordOf(header['signing'])['publicKey'])
    this.#isEncrypted = header['encryption'] !== null
  }

  #chunk({ body, record, offset }: Frame): void {
    if (body.length < 40) throw new FrameProblem(record, offset, 'a chunk is shorter than its own fields')
    const view = new DataView(body.buffer, body.byteOffset)
    const [first, from] = [Number(view.getBigUint64(8)), Number(view.getBigUint64(24))]
    const counts = this.#counts
    if (view.getUint32(0) !== counts.chunks + 1 || first !== counts.events + 1)
      throw new FrameProblem(record, offset, 'it is not the next chunk: something is missing')
    if (from < counts.lastUs) throw new FrameProblem(record, offset, 'time goes backwards')
    counts.chunks++
    counts.events += view.getUint32(16)
    counts.bytes += view.getUint32(20)
    counts.lastUs = Number(view.getBigUint64(32))
    this.#sinceSigned++
  }

  async #signature(frame: Frame, kind: 'head' | 'seal'): Promise<void> {
    const { record, offset, bytes } = frame
    const text = jsonOf(frame.body.subarray(0, -signatureBytes))
    if (text === undefined) throw new FrameProblem(record, offset, `the ${kind} cannot be read`)
    this.#compareCounts(frame, text)
    const publicKey = keyOfPem(textOf(recordOf(text['signing'])['publicKey']) || this.#ownKey)
    const end = bytes.length - signatureBytes
    const signed = joined(utf8(`sallyport recording ${kind} v1\n`), bytes.subarray(0, end))
    if (publicKey === undefined || !(await isSignature(publicKey, bytes.subarray(end), signed)))
      throw new FrameProblem(record, offset, `the signature of the ${kind} is wrong`)
    await this.#note(publicKey)
    this.#sinceSigned = 0
    if (kind === 'seal') {
      this.#seal = text
      this.#sealHash = await sha256(bytes)
    }
  }

  #compareCounts({ record, offset, kind }: Frame, said: Record<string, unknown>): void {
    const { chunks, events, bytes, lastUs } = this.#counts
    const isSame = said['chunks'] === chunks && said['events'] === events && said['bytes'] === bytes
    if (!isSame || (kind === 'seal' && said['durationUs'] !== lastUs))
      throw new FrameProblem(record, offset, `the ${kind} counts something else than there is`)
  }

  /** Keys of one recording are few: each is told once. */
  async #note(publicKey: Bytes): Promise<void> {
    const trusted = this.#keys.find(key => isSame(key.publicKey, publicKey) && maySign(key))
    const keyId = await keyIdOf(publicKey)
    if (!this.#signed.some(one => one.keyId === keyId)) this.#signed.push({ keyId, trusted })
  }

  async #proof({ body, record, offset }: Frame): Promise<void> {
    const fields = jsonOf(body) ?? {}
    const [of, entry] = [textOf(fields['of']), textOf(fields['entry'])]
    const leaf = jsonOf(utf8(entry)) ?? {}
    const hash = of === 'session-open' ? this.#headerHash : this.#sealHash
    const isOurs =
      leaf['kind'] === of &&
      leaf['session'] === this.#session &&
      hash !== undefined &&
      leaf['sha256'] === toHex(hash)
    if (!isOurs) throw new FrameProblem(record, offset, 'the proof is about another recording')
    const found = await checkInclusion(entry, textOf(fields['proof']))
    if (typeof found === 'string') throw new FrameProblem(record, offset, found)
    this.#checkpoints.push(found.checkpoint)
    const signer = await signerOf(found.checkpoint, this.#keys)
    if (signer === undefined && (await claimsOneOf(found.checkpoint, this.#keys)))
      throw new FrameProblem(
        record,
        offset,
        'the signature of its checkpoint is not by the key that it names',
      )
    this.#proofs.push(proofCheck(of, found, leaf['at'], signer))
  }

  result(tornBytes: number): RecordingProof {
    const about = { records: this.#records, bytes: this.#bytes, checkpoints: this.#checkpoints }
    const checks = [
      this.#chainCheck(tornBytes),
      this.#signatureCheck(),
      this.#sealCheck(),
      ...this.#logChecks(),
      this.#contentCheck(),
    ]
    return this.#headerHash === undefined
      ? { ...about, checks }
      : { ...about, checks, session: this.#session }
  }

  #chainCheck(tornBytes: number): Check {
    const name = 'Chain'
    if (this.#problem !== undefined) return { name, state: 'failed', says: this.#problem.message }
    if (this.#records === 0) return { name, state: 'failed', says: 'The file holds no whole record.' }
    const torn = tornBytes === 0 ? '' : ` ${tornBytes} bytes at the end are no whole record.`
    return {
      name,
      // What is being written may end in the middle of a record.
      state: torn !== '' && this.#isOver ? 'failed' : 'verified',
      says: `${this.#records} records: each names the SHA-256 of the one before it, and counts go on without a gap.${torn}`,
    }
  }

  #signatureCheck(): Check {
    const name = 'Signatures'
    const ids = this.#signed.map(({ keyId }) => keyId).join(', ')
    if (this.#signed.length === 0)
      return { name, state: 'failed', says: 'Nothing in the part that could be read is signed.' }
    const revoked = this.#signed.find(({ trusted }) => trusted?.state === 'revoked')
    if (revoked !== undefined)
      return {
        name,
        state: 'not-checked',
        says: `${revoked.keyId} was revoked. What it signed before is judged by “sallyport verify”, not by this page.`,
      }
    if (this.#signed.some(({ trusted }) => trusted === undefined))
      return {
        name,
        state: 'not-checked',
        says: `They are right for ${ids}, the key that the recording itself names. Nothing that you pinned vouches for it, so this shows damage and no forgery.`,
      }
    return { name, state: 'verified', says: `Heads and seal are signed by ${ids}, which you trust.` }
  }

  #sealCheck(): Check {
    const name = 'End'
    const seal = this.#seal
    if (this.#problem !== undefined)
      return { name, state: 'not-checked', says: 'Not reached: the chain is broken before.' }
    if (seal === undefined && this.#isOver)
      return {
        name,
        state: 'failed',
        says: `The session is over, and there is no seal: its end was cut off. ${this.#sinceSigned} chunks after the last signature are only chained.`,
      }
    if (seal === undefined)
      return {
        name,
        state: 'not-checked',
        says: `There is no seal yet: the session is open. ${this.#sinceSigned} chunks after the last signature are only chained.`,
      }
    const interrupted = seal['interrupted'] === true ? ' The gateway stopped before the session did.' : ''
    return {
      name,
      state: 'verified',
      says: `Sealed ${textOf(seal['sealedAt'])}: nothing can be cut off its end.${interrupted}`,
    }
  }

  #logChecks(): readonly Check[] {
    if (this.#proofs.length > 0) return this.#proofs
    return [
      {
        name: 'Log of sessions',
        state: 'not-checked',
        says: 'The recording carries no proof yet. The log signs a second after the seal.',
      },
    ]
  }

  #contentCheck(): Check {
    return {
      name: 'Content',
      state: 'not-checked',
      says: this.#isEncrypted
        ? 'The chunks are encrypted, and are proven without being opened.'
        : 'The chunks were not inflated here: that each holds as many events as it says is checked by “sallyport verify”.',
    }
  }
}

function maySign({ purpose }: TrustedKey): boolean {
  return purpose === 'recording-heads' || purpose === 'unknown'
}

function proofCheck(
  of: string,
  { index, checkpoint }: { readonly index: number; readonly checkpoint: Checkpoint },
  at: unknown,
  signer: TrustedKey | undefined,
): Check {
  const what = of === 'session-open' ? 'Opening' : 'Seal'
  const place = `It is entry ${index} of ${checkpoint.size} in the log of ${checkpoint.origin}, entered ${textOf(at)}`
  const name = `${what} in the log of sessions`
  if (signer === undefined)
    return {
      name,
      state: 'not-checked',
      says: `${place}. Nothing that you pinned vouches for who signed that log.`,
    }
  if (signer.state === 'revoked')
    return { name, state: 'not-checked', says: `${place}, signed by ${signer.keyId}, which was revoked.` }
  return { name, state: 'verified', says: `${place}, under a checkpoint signed by ${signer.keyId}.` }
}

function jsonOf(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
