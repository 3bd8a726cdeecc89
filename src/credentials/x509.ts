/**
 * X.509 (RFC 5280) for PostgreSQL targets: the authority *databases* and the client certificates that it issues. People's client
 * certificates are of another authority and of identity/x509-sign-in.ts.
 */
import { createHash, type KeyObject, type webcrypto, X509Certificate } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Fault, reasonOf } from '../errors.ts'
import type { Signer } from '../model.ts'
import { loadX509, type X509Library, type x509 } from './x509-library.ts'

export type X509Authority = {
  /** What servers put into `ssl_ca_file`, in PEM. */
  readonly certificatePem: string
  readonly certificate: X509Certificate
  readonly signer: Signer
}

/** Beside the key `databases.pem`: that of the first key, and those of its heirs, which have the key's id in their names. */
export const firstCertificateFile = 'databases.crt'

/** Where the certificate of a key lies. */
export function certificateFileOf(keyId: string, firstKeyId: string): string {
  if (keyId === firstKeyId) return firstCertificateFile
  return `databases.${Buffer.from(keyId.replace('SHA256:', ''), 'base64').toString('hex').slice(0, 16)}.crt`
}

/** The key is what counts and lasts; its certificate ends when nobody expects it to matter any more. */
const authorityLifetimeMs = 20 * 365 * 86_400_000
const clockSkewMs = 24 * 3_600_000

/**
 * The authority's own certificate, kept beside its key; made at the first start. Throws Fault KEY_UNUSABLE, also if the certificate is
 * not that of the key.
 */
export async function openX509Authority(
  folder: string,
  signer: Signer,
  about: { readonly gateway: string; readonly nowMs: number },
  name: string = firstCertificateFile,
): Promise<X509Authority> {
  const file = join(folder, name)
  try {
    if (!existsSync(file)) writeNew(file, await selfSigned(signer, about))
    return readAuthority(readFileSync(file, 'utf8'), signer)
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `The certificate ${file} cannot be used: ${reasonOf(cause)}.`, { cause })
  }
}

/** For commands that must not need the private key; undefined until a gateway that knows of it has started. */
export function x509AuthorityPem(folder: string, name: string = firstCertificateFile): string | undefined {
  const file = join(folder, name)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function readAuthority(certificatePem: string, signer: Signer): X509Authority {
  const certificate = new X509Certificate(certificatePem)
  const ownKey = certificate.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  if (ownKey !== signer.publicKeyPem) throw new Error('it is not that of the key beside it')
  return { certificatePem, certificate, signer }
}

/** Exclusive and synced: servers are told of it, so it must never become another. */
function writeNew(file: string, pem: string): void {
  const fd = openSync(file, 'wx', 0o644)
  try {
    writeSync(fd, pem)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

async function selfSigned(
  signer: Signer,
  { gateway, nowMs }: { gateway: string; nowMs: number },
): Promise<string> {
  const x509 = await loadX509()
  const key = spkiOf(signer.publicKeyPem)
  const name = nameOf(x509, { CN: `Sallyport databases authority of ${gateway}` })
  return issue(x509, signer, {
    serial: createHash('sha256').update(key).digest().subarray(0, maxSerialBytes).toString('hex'),
    subject: name,
    issuer: name,
    publicKey: key,
    notBeforeMs: nowMs - clockSkewMs,
    notAfterMs: nowMs + authorityLifetimeMs,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  })
}

/** RFC 5280, section 4.1.2.2: at most 20 octets, and positive; 16 random ones are unguessable too. */
const maxSerialBytes = 16

export type ClientCertificateRequest = {
  readonly publicKey: KeyObject
  /** What PostgreSQL's `cert` method compares with the user. */
  readonly commonName: string
  /** 16 random bytes. */
  readonly serial: Buffer
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** A certificate for TLS clients and nothing else, in PEM. */
export async function issueClientCertificate(
  request: ClientCertificateRequest,
  authority: X509Authority,
): Promise<string> {
  const { publicKey, commonName, serial, notBeforeMs, notAfterMs } = request
  if (serial.length !== maxSerialBytes) throw new TypeError(`a serial number has ${maxSerialBytes} bytes`)
  const x509 = await loadX509()
  return issue(x509, authority.signer, {
    serial: serial.toString('hex'),
    subject: nameOf(x509, { CN: commonName }),
    issuer: new x509.X509Certificate(authority.certificate.raw).subjectName,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    notBeforeMs,
    notAfterMs,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth], true),
    ],
  })
}

type Tbs = {
  serial: string
  subject: x509.Name
  issuer: x509.Name
  publicKey: Buffer
  notBeforeMs: number
  notAfterMs: number
  extensions: x509.Extension[]
}

/** The library asks a WebCrypto to sign; ours asks the Signer, wherever its key lives. */
async function issue(
  library: X509Library,
  signer: Signer,
  { serial, notBeforeMs, notAfterMs, ...tbs }: Tbs,
): Promise<string> {
  const algorithm = { name: 'Ed25519' }
  const key = { type: 'private', extractable: false, algorithm, usages: ['sign'] } as webcrypto.CryptoKey
  const subtle = {
    sign: async (_algorithm: unknown, _key: unknown, data: ArrayBuffer) => {
      const signature = await signer.sign(new Uint8Array(data))
      return new Uint8Array(signature).buffer
    },
  }
  const provider = {
    subtle,
    getRandomValues: crypto.getRandomValues.bind(crypto),
    randomUUID: crypto.randomUUID.bind(crypto),
  } as unknown as webcrypto.Crypto
  const certificate = await library.X509CertificateGenerator.create(
    {
      ...tbs,
      serialNumber: serial,
      notBefore: new Date(notBeforeMs),
      notAfter: new Date(notAfterMs),
      signingKey: key,
      signingAlgorithm: algorithm,
    },
    provider,
  )
  return `${certificate.toString('pem')}\n`
}

/** As values, never as text to be parsed: names of people hold commas and plus signs. */
function nameOf(library: X509Library, parts: Record<string, string>): x509.Name {
  return new library.Name(Object.entries(parts).map(([key, value]) => ({ [key]: [{ utf8String: value }] })))
}

function spkiOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
}
