/** The `publickey` method of RFC 4252, section 7, as it is on the wire. */
import type { KeyOffer } from '../identity/key-proof.ts'
import { byte, string, type WireReader } from '../wire.ts'

/** RFC 4252, section 7; the number is shared with other methods' messages. */
const publicKeyOk = 60

/** An offer asks whether the key could sign here; only with a signature does it claim anything. */
export type KeyRequest = KeyOffer & { readonly signature: Buffer | undefined }

/** The fields after the method's name. Throws Fault SSH_PROTOCOL for bytes that hold no such request. */
export function decodeKeyRequest(fields: WireReader): KeyRequest {
  const signed = fields.boolean()
  const algorithm = fields.string().toString('latin1')
  // Copied: the request outlives the packet while the key is looked up.
  const blob = Buffer.from(fields.string())
  const signature = signed ? Buffer.from(fields.string()) : undefined
  fields.end()
  return { algorithm, blob, signature }
}

/** "This key could sign here", which is said of every well-formed key. */
export function encodeKeyOk({ algorithm, blob }: KeyOffer): Buffer {
  return Buffer.concat([byte(publicKeyOk), string(Buffer.from(algorithm, 'latin1')), string(blob)])
}
