import type { PrincipalFields, SignInRow } from '../model.ts'
import { type ClaimNames, mapClaims } from './claims.ts'
import type { VerifiedToken } from './token.ts'

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

/** The person of a browser sign-in whose cookie the store just vouched for; the store answers only for rows not yet expired. */
export function restorePrincipal(row: SignInRow): Principal {
  return new Principal(row.principal)
}

/** What makes two principals the same person: issuer and subject, never the e-mail or the name. */
export function principalKey(principal: Principal): string {
  return `${principal.fields.issuer}\n${principal.fields.subject}`
}
