import { certificateAlgorithm } from '../credentials/ssh-certificate.ts'
import { ed25519 } from '../credentials/ssh-key.ts'
import { Fault } from '../errors.ts'
import { hostKeyAlgorithms } from './algorithms.ts'
import type { Engine } from './engine.ts'
import type { ParsedKey } from './library.ts'

type ByAlgorithm = Readonly<Record<string, ParsedKey>>

/** The keys that a server shows, by the algorithms that it offers them for. */
export type OwnHostKeys = { readonly hostKeys: ByAlgorithm; readonly offered: readonly string[] }

/** Of these private keys (PEM), and of a certificate for the Ed25519 key among them. Throws Fault KEY_UNUSABLE if none can be offered. */
export function ownHostKeys(
  engine: Engine,
  pems: readonly string[],
  certificate: Buffer | undefined,
): OwnHostKeys {
  const hostKeys = withCertificate(hostKeysByAlgorithm(engine, pems), certificate)
  const offered = [certificateAlgorithm, ...hostKeyAlgorithms].filter(name => name in hostKeys)
  if (offered.length === 0)
    throw new Fault('KEY_UNUSABLE', 'No host key is of a kind that is offered: Ed25519, ECDSA P-256 or RSA.')
  return { hostKeys, offered }
}

/** Certificates say who a key is; the key itself signs (PROTOCOL.certkeys of openssh-portable). */
function withCertificate(hostKeys: ByAlgorithm, certificate: Buffer | undefined): ByAlgorithm {
  const key = hostKeys[ed25519]
  if (certificate === undefined || key === undefined) return hostKeys
  const certified: ParsedKey = {
    type: key.type,
    getPublicSSH: () => certificate,
    getPrivatePEM: () => key.getPrivatePEM(),
    sign: (data, hash) => key.sign(data, hash),
    verify: (data, signature, hash) => key.verify(data, signature, hash),
  }
  return Object.assign(Object.create(null) as Record<string, ParsedKey>, hostKeys, {
    [certificateAlgorithm]: certified,
  })
}

/** Parsing a key costs more than the rest of accepting a connection, so each list is parsed once. */
const parsedHostKeys = new WeakMap<readonly string[], ByAlgorithm>()

function hostKeysByAlgorithm(engine: Engine, pems: readonly string[]): ByAlgorithm {
  const known = parsedHostKeys.get(pems)
  if (known !== undefined) return known
  const byAlgorithm: Record<string, ParsedKey> = Object.create(null) as Record<string, ParsedKey>
  for (const pem of pems) {
    const key = engine.parsePrivateKey(pem)
    const names = key.type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [key.type]
    for (const name of names) byAlgorithm[name] ??= key
  }
  parsedHostKeys.set(pems, byAlgorithm)
  return byAlgorithm
}
