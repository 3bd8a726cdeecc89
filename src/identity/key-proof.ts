/** Proof of possession in SSH's `publickey` method (RFC 4252, section 7): the key that signed, and only that one. */
import { boolean, byte, string } from '../wire.ts'
import { keyTypeOfCertificate, parseUserCertificate, type UserCertificate } from './user-certificate.ts'
import { checkSignature, type KeyType, parseUserKey, type SignatureFacts, type UserKey } from './user-key.ts'

/** Signatures over which nothing is known against: no SHA-1, no DSA. In the order in which clients may prefer them. */
export const signatureAlgorithms = [
  'ssh-ed25519',
  'sk-ssh-ed25519@openssh.com',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const

/** RFC 4250, section 4.1.2. */
const userAuthRequest = 50

/** What a `publickey` request offers. An offer is never a login. */
export type KeyOffer = {
  /** As in the request: with `-cert-v01@openssh.com` for a certificate. */
  readonly algorithm: string
  readonly blob: Buffer
}

export type SignedOffer = KeyOffer & {
  /** RFC 4253, section 7.2: what makes this connection unlike any other. */
  readonly sessionId: Buffer
  readonly userName: string
  readonly service: string
  readonly signature: Buffer
}

export type ProvenKeyFields = {
  readonly key: UserKey
  readonly facts: SignatureFacts
  /** The certificate that came around the key. Nobody has looked at who signed it yet. */
  readonly certificate: UserCertificate | undefined
}

/** Evidence that the other end of this very connection holds the private key. It does not say who that is. */
class ProvenKey {
  readonly #issued = true
  readonly fields: ProvenKeyFields

  constructor(fields: ProvenKeyFields) {
    this.fields = Object.freeze(fields)
  }

  static is(x: object): x is ProvenKey {
    return #issued in x
  }
}
export type { ProvenKey }

/**
 * Whether the offer is one that could ever sign here: a well-formed key or certificate of exactly the algorithm that it says.
 * The same for every key in the world, so the answer tells nobody which keys are known.
 */
export function isAcceptableOffer(offer: KeyOffer): boolean {
  return readOffer(offer) !== undefined
}

/** Undefined unless the offer's key signed this request of this connection. Never throws. */
export function proveKey(offer: SignedOffer): ProvenKey | undefined {
  const read = readOffer(offer)
  if (read === undefined) return undefined
  const facts = checkSignature(read.key, read.signature, signedBytes(offer), offer.signature)
  return facts === undefined
    ? undefined
    : new ProvenKey({ key: read.key, facts, certificate: read.certificate })
}

/** RFC 4252, section 7: the session's identifier, then the request up to the signature, with TRUE where it says that one follows. */
export function signedBytes(offer: Omit<SignedOffer, 'signature'>): Buffer {
  return Buffer.concat([
    string(offer.sessionId),
    byte(userAuthRequest),
    string(offer.userName),
    string(offer.service),
    string('publickey'),
    boolean(true),
    string(offer.algorithm),
    string(offer.blob),
  ])
}

type ReadOffer = {
  readonly key: UserKey
  readonly certificate: UserCertificate | undefined
  /** The algorithm that the signature must name: never a certificate's. */
  readonly signature: string
}

function readOffer({ algorithm, blob }: KeyOffer): ReadOffer | undefined {
  const certified = certifiedAlgorithm(algorithm)
  const signature = certified ?? algorithm
  if (!isSignatureAlgorithm(signature)) return undefined
  const certificate = certified === undefined ? undefined : parseUserCertificate(blob)
  const key = certified === undefined ? parseUserKey(blob) : certificate?.key
  if (key === undefined || key.type !== keyTypeOf(signature)) return undefined
  return { key, certificate, signature }
}

/** `rsa-sha2-512-cert-v01@openssh.com` is an algorithm without being the name of a certificate, which says `ssh-rsa`. */
function certifiedAlgorithm(algorithm: string): string | undefined {
  const rsa = /^(rsa-sha2-(?:256|512))-cert-v01@openssh\.com$/.exec(algorithm)?.[1]
  const type = keyTypeOfCertificate(algorithm)
  return rsa ?? (type === 'ssh-rsa' ? undefined : type)
}

function isSignatureAlgorithm(name: string): name is (typeof signatureAlgorithms)[number] {
  return (signatureAlgorithms as readonly string[]).includes(name)
}

function keyTypeOf(algorithm: (typeof signatureAlgorithms)[number]): KeyType {
  return algorithm === 'rsa-sha2-256' || algorithm === 'rsa-sha2-512' ? 'ssh-rsa' : algorithm
}
