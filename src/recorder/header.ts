import type { Protocol, Signer } from '../model.ts'
import type { Grant } from '../policy/decide.ts'
import type { EncryptionHeader } from './encryption/recording-key.ts'

/** What a recording says of itself before its first event. Readers keep fields that they do not know. */
export type RecordingHeader = {
  readonly format: 'sallyport recording'
  readonly version: 1
  readonly session: string
  readonly protocol: Protocol
  readonly gateway: string
  readonly principal: {
    readonly issuer: string
    readonly subject: string
    readonly name: string
    readonly email?: string
  }
  readonly target: {
    readonly name: string
    readonly host: string
    readonly port: number
    readonly labels: Readonly<Record<string, string>>
  }
  readonly login: string
  readonly role: string
  /** The policy that allowed it: the version that the auditors' pages and `POST /policy/explain` are about. */
  readonly policy?: string
  /** Why access was asked for. */
  readonly why: { readonly reason: string | null; readonly ticket: string | null }
  readonly sourceAddress: string
  /** ISO 8601, UTC; events count from this instant. */
  readonly openedAt: string
  /** The key that signs heads and seal. Believe it only if you know it from elsewhere. */
  readonly signing: { readonly algorithm: 'ed25519'; readonly keyId: string; readonly publicKey: string }
  /** Null if everybody who has the file can read it. */
  readonly encryption: EncryptionHeader | null
  /** `echoed`: terminal input is counted, and kept as text only when the screen has shown it. */
  readonly input: 'echoed'
}

export type About = {
  /** The session's id: letters, digits, `-` and `_`, at most 64. It names the file. */
  readonly session: string
  readonly protocol: Protocol
  readonly reason?: string
  readonly ticket?: string
}

export function headerOf(
  grant: Grant,
  about: About,
  gateway: string,
  openedAtMs: number,
  signer: Signer,
  encryption: EncryptionHeader | null = null,
): RecordingHeader {
  const { issuer, subject, name, email } = grant.fields.principal.fields
  const { target, login, role, sourceAddress, policyVersion } = grant.fields
  return {
    format: 'sallyport recording',
    version: 1,
    session: about.session,
    protocol: about.protocol,
    gateway,
    principal: { issuer, subject, name, ...(email === undefined ? {} : { email }) },
    target: { name: target.name, host: target.host, port: target.port, labels: target.labels },
    login,
    role,
    ...(policyVersion === undefined ? {} : { policy: policyVersion }),
    why: { reason: about.reason ?? null, ticket: about.ticket ?? null },
    sourceAddress,
    openedAt: new Date(openedAtMs).toISOString(),
    signing: { algorithm: signer.algorithm, keyId: signer.keyId, publicKey: signer.publicKeyPem },
    encryption,
    input: 'echoed',
  }
}

/** Decodes a header's body, or says what is wrong with it. */
export function readHeader(body: Buffer): RecordingHeader | string {
  let fields: unknown
  try {
    fields = JSON.parse(body.toString())
  } catch {
    return 'the header is not valid JSON'
  }
  return problemOf(fields) ?? (fields as RecordingHeader)
}

function problemOf(fields: unknown): string | undefined {
  if (!isObject(fields) || fields['format'] !== 'sallyport recording')
    return 'the header is not that of a recording'
  if (fields['version'] !== 1) return 'the header has another version: use a newer version of Sallyport'
  if (!isEncryption(fields['encryption']))
    return 'the recording is encrypted in a way that this version cannot read'
  const isWhole =
    texts.every(name => typeof fields[name] === 'string') && objects.every(name => isObject(fields[name]))
  if (!isWhole || Number.isNaN(Date.parse(String(fields['openedAt'])))) return 'the header lacks a field'
  const { signing } = fields
  if (
    !isObject(signing) ||
    typeof signing['publicKey'] !== 'string' ||
    typeof signing['keyId'] !== 'string'
  ) {
    return 'the header names no key'
  }
  return undefined
}

const texts = ['session', 'protocol', 'gateway', 'login', 'role', 'sourceAddress', 'openedAt']
const objects = ['principal', 'target', 'why', 'signing']

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEncryption(value: unknown): boolean {
  if (value === null) return true
  if (!isObject(value) || value['algorithm'] !== 'AES-256-GCM' || !isObject(value['key'])) return false
  const { recipients } = value['key']
  return Array.isArray(recipients) && recipients.length > 0 && recipients.every(isObject)
}
