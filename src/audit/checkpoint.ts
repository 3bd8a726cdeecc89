import type { Signer } from '../model.ts'
import { isSignature, keyIdOf } from './signature.ts'

/**
 * A signed statement about the log: its line `upTo` has the SHA-256 `link`, which fixes all lines before it too. Stored as a
 * line of its own, some lines later if events came while the signer worked.
 */
export type Checkpoint = {
  readonly upTo: number
  readonly link: string
  /** When it was signed, which is the time of its line; ISO 8601, UTC. */
  readonly at: string
  readonly keyId: string
  /** Base64 of the raw Ed25519 signature. */
  readonly signature: string
}

/** Signed is this text: no other signature of the gateway can stand for it. */
function signedText(checkpoint: Omit<Checkpoint, 'signature' | 'keyId'>): Buffer {
  const { upTo, link, at } = checkpoint
  return Buffer.from(`sallyport audit checkpoint v1\n${upTo}\n${link}\n${at}\n`)
}

export async function signCheckpoint(
  upTo: number,
  link: string,
  at: string,
  signer: Signer,
): Promise<Checkpoint> {
  const { keyId } = signer // of the key that signs now: it may have another when the signature comes
  const signature = await signer.sign(signedText({ upTo, link, at }))
  return { upTo, link, at, keyId, signature: signature.toString('base64') }
}

/** Decodes the fields of a checkpoint's line, or says what is wrong. Nothing else may be in it. */
export function readCheckpoint(line: Readonly<Record<string, unknown>>): Checkpoint | string {
  const { upTo, link, at, keyId, signature } = line
  const isWhole =
    Number.isSafeInteger(upTo) && [link, at, keyId, signature].every(text => typeof text === 'string')
  if (!isWhole || Object.keys(line).length !== checkpointFields)
    return 'a checkpoint has other fields than it should'
  return line as unknown as Checkpoint
}

/** sequence, at, previous and kind; upTo, link, keyId and signature. */
const checkpointFields = 8

/** The id of the key among these that signed the checkpoint. */
export function signerOf(checkpoint: Checkpoint, publicKeysPem: readonly string[]): string | undefined {
  const signature = Buffer.from(checkpoint.signature, 'base64')
  if (signature.toString('base64') !== checkpoint.signature) return undefined // one signature has one spelling
  const key = publicKeysPem.find(pem => isSignature(signedText(checkpoint), signature, pem))
  if (key === undefined || keyIdOf(key) !== checkpoint.keyId) return undefined
  return checkpoint.keyId
}
