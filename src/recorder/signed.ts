import { isSignature } from '../audit/signature.ts'
import type { Signer } from '../model.ts'
import { frameHead, signatureBytes } from './format.ts'

/** What a head says of the recording so far. The frame's link, which is signed with it, is the chain so far. */
export type HeadText = {
  readonly chunks: number
  readonly events: number
  /** Event bytes before compression. */
  readonly bytes: number
  /** ISO 8601, UTC. */
  readonly at: string
  /** The key that signs, where it is another than the header names: keys rotate while sessions run. */
  readonly signing?: SigningKey
}

/** Believe it only if you know it from elsewhere. */
export type SigningKey = { readonly keyId: string; readonly publicKey: string }

/** What the seal says of the whole. */
export type SealText = {
  readonly chunks: number
  readonly events: number
  readonly bytes: number
  /** Offset of the last event. */
  readonly durationUs: number
  readonly reason: string
  /** True if the gateway stopped before the session did, and its next start sealed what it had left. */
  readonly interrupted: boolean
  /** What recovery could not save, if anything. */
  readonly notes?: readonly string[]
  readonly sealedAt: string
  readonly signing?: SigningKey
}

/** Signatures of different purposes can never stand for each other: each begins with a text of its own. */
const domains = { head: 'sallyport recording head v1\n', seal: 'sallyport recording seal v1\n' } as const

/** What a head or seal says of its key: nothing if it is that of the header. Ask where you sign. */
export function signingOf(
  { keyId, publicKeyPem }: Signer,
  headerKeyId: string | undefined,
): { readonly signing?: SigningKey } {
  return headerKeyId === undefined || keyId === headerKeyId
    ? {}
    : { signing: { keyId, publicKey: publicKeyPem } }
}

/**
 * A whole frame: its head, the JSON text and the signature. Signed is the domain's text followed by all the frame's
 * bytes before the signature, so that no byte of the frame is free.
 */
export async function signedFrame(
  kind: 'head' | 'seal',
  text: HeadText | SealText,
  link: Buffer,
  signer: Signer,
): Promise<Buffer> {
  const json = Buffer.from(JSON.stringify(text))
  const unsigned = Buffer.concat([frameHead(kind, json.length + signatureBytes, link), json])
  const signature = await signer.sign(Buffer.concat([Buffer.from(domains[kind]), unsigned]))
  if (signature.length !== signatureBytes)
    throw new Error(`a signature of ${signature.length} bytes is no Ed25519 signature`)
  return Buffer.concat([unsigned, signature])
}

/** Whether the signature at the end of a stored frame is by this key. */
export function isSignedBy(kind: 'head' | 'seal', frame: Buffer, publicKeyPem: string): boolean {
  const end = frame.length - signatureBytes
  return isSignature(
    Buffer.concat([Buffer.from(domains[kind]), frame.subarray(0, end)]),
    frame.subarray(end),
    publicKeyPem,
  )
}

/** The text of a head's or seal's body, or what is wrong with it. */
export function readHeadText(body: Buffer): HeadText | string {
  const fields = readJson(body)
  if (typeof fields === 'string') return fields
  if (!hasCounts(fields) || typeof fields['at'] !== 'string') return 'it lacks a field'
  return fields as unknown as HeadText
}

export function readSealText(body: Buffer): SealText | string {
  const fields = readJson(body)
  if (typeof fields === 'string') return fields
  const isWhole =
    hasCounts(fields) && isCount(fields['durationUs']) && typeof fields['interrupted'] === 'boolean'
  if (!isWhole || typeof fields['reason'] !== 'string' || typeof fields['sealedAt'] !== 'string')
    return 'it lacks a field'
  return fields as unknown as SealText
}

function readJson(body: Buffer): Record<string, unknown> | string {
  if (body.length < signatureBytes) return 'it is shorter than a signature'
  try {
    const fields: unknown = JSON.parse(body.toString('utf8', 0, body.length - signatureBytes))
    return typeof fields === 'object' && fields !== null
      ? (fields as Record<string, unknown>)
      : 'it is not a JSON object'
  } catch {
    return 'it is not valid JSON'
  }
}

/** The key that a head or seal claims to be signed with, if it names one. */
export function signingIn(text: HeadText | SealText): string | undefined {
  const publicKey: unknown = text.signing?.publicKey
  return typeof publicKey === 'string' ? publicKey : undefined
}

function hasCounts(fields: Record<string, unknown>): boolean {
  return isCount(fields['chunks']) && isCount(fields['events']) && isCount(fields['bytes'])
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
