import type { EnrolledKeyRow, PrincipalFields, SignInRow } from '../model.ts'
import type { AccessToken } from './access-token.ts'
import { type ClaimNames, mapClaims } from './claims.ts'
import type { ProvenKey } from './key-proof.ts'
import type { MachineToken } from './machine-token.ts'
import type { SignInCertificate } from './sign-in-certificate.ts'
import type { VerifiedToken } from './token.ts'
import type { X509SignIn } from './x509-sign-in.ts'

/** Evidence of who somebody is. Only this module makes it: from a verified token, or from a sign-in that the store kept. */
class Principal {
  readonly #issued = true
  readonly fields: PrincipalFields

  constructor(fields: PrincipalFields) {
    this.fields = Object.freeze({ ...fields, groups: Object.freeze([...fields.groups]) })
  }

  static is(x: object): x is Principal {
    return #issued in x
  }
}
export type { Principal }

/** How the configuration turns what an issuer says into a person. */
export type PrincipalRules = {
  readonly claims: ClaimNames
  /** How long a sign-in lasts, in milliseconds (`identity.session`). */
  readonly sessionMs: number
}

/** The person whom a verified token names. Throws Fault TOKEN_REFUSED where a claim cannot be mapped. */
export function principalFromToken(token: VerifiedToken, rules: PrincipalRules, nowMs: number): Principal {
  const { issuer, subject, claims, authenticatedAtMs } = token.fields
  const expiresAtMs = nowMs + rules.sessionMs
  return new Principal({
    issuer,
    subject,
    authenticatedAtMs,
    expiresAtMs,
    ...mapClaims(claims, rules.claims),
  })
}

/** The person whose client brought an access token. Throws Fault TOKEN_REFUSED where a claim cannot be mapped. */
export function principalOfAccessToken(token: AccessToken, rules: PrincipalRules, nowMs: number): Principal {
  const { issuer, subject, claims, authenticatedAtMs } = token.fields
  const expiresAtMs = nowMs + rules.sessionMs
  return new Principal({
    issuer,
    subject,
    authenticatedAtMs,
    expiresAtMs,
    ...mapClaims(claims, rules.claims),
  })
}

/** The person of a browser sign-in whose cookie the store just vouched for; the store answers only for rows not yet expired. */
export function restorePrincipal(row: SignInRow): Principal {
  return new Principal(row.principal)
}

/** The person who enrolled the key that signed, for as long as it is enrolled. Throws TypeError for a row of another key. */
export function principalOfKey(row: EnrolledKeyRow, proven: ProvenKey, expiresAtMs: number): Principal {
  if (row.fingerprint !== proven.fields.key.fingerprint)
    throw new TypeError('the row is of another key than the one that signed')
  return new Principal({ ...row.principal, expiresAtMs })
}

/** Whom our own authority says the holder of the key is. */
export function principalOfCertificate(certificate: SignInCertificate): Principal {
  return new Principal(certificate.fields.principal)
}

/** Whom our own authority says the holder of the key of a TLS connection is. */
export function principalOfX509(certificate: X509SignIn): Principal {
  return new Principal(certificate.fields.principal)
}

/** The workload of a verified token; name and groups are those of the configuration, not the token's. */
export function principalOfMachine(token: MachineToken, expiresAtMs: number): Principal {
  const { issuer, subject, name, groups, authenticatedAtMs } = token.fields
  const nobody = { email: undefined, emailVerified: false }
  return new Principal({ issuer, subject, name, groups, ...nobody, authenticatedAtMs, expiresAtMs })
}

/** Whom the process that keeps passwords, tokens and waiting sign-ins has proven. Only its worker processes may take its word for it. */
export function principalVouchedFor(fields: PrincipalFields): Principal {
  return new Principal(fields)
}

/** What makes two principals the same person: issuer and subject, never the e-mail or the name. */
export function principalKey(principal: Principal): string {
  return `${principal.fields.issuer}\n${principal.fields.subject}`
}
