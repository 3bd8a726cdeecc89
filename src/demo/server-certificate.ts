/** A TLS certificate for servers on this machine, made at start: by an authority that signs this one certificate and is forgotten. */
import { isIP } from 'node:net'
import { loadX509 } from '../credentials/x509-library.ts'

const {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} = await loadX509()

/** In PEM. */
export type ServerCertificate = {
  /** What clients trust. */
  readonly authority: string
  readonly certificate: string
  readonly key: string
}

/** ECDSA, since clients of PostgreSQL cannot bind their sign-in to a channel whose certificate is signed with Ed25519. */
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

const clockSkewMs = 5 * 60_000
/** A demonstration may run for some days. */
const lifetimeMs = 30 * 86_400_000

/** For these host names and addresses. */
export async function makeServerCertificate(
  names: readonly string[],
  nowMs: number = Date.now(),
): Promise<ServerCertificate> {
  const validity = { notBefore: new Date(nowMs - clockSkewMs), notAfter: new Date(nowMs + lifetimeMs) }
  const [root, leaf] = [await newKeys(), await newKeys()]
  const issuer = 'CN=Sallyport demo authority'
  const authority = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: issuer,
    keys: root,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  })
  const certificate = await X509CertificateGenerator.create({
    ...validity,
    subject: `CN=${names[0] ?? 'localhost'}`,
    issuer,
    publicKey: leaf.publicKey,
    signingKey: root.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map(value => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
    ],
  })
  const key = await crypto.subtle.exportKey('pkcs8', leaf.privateKey)
  return {
    authority: `${authority.toString('pem')}\n`,
    certificate: `${certificate.toString('pem')}\n`,
    key: `${PemConverter.encode(key, 'PRIVATE KEY')}\n`,
  }
}

function newKeys() {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}
