import type { PrincipalFields } from '../model.ts'
import { mapClaims } from './claims.ts'
import { subjectShape } from './token.ts'

/** Bytes of the principal in a certificate: hundreds of groups. Agents and servers stop at 256 KiB for the whole. */
export const maxPrincipalBytes = 48 * 1024

const names = { name: 'name', groups: 'groups' }

/**
 * The principal that a certificate of ours carries as JSON. Our authority signed it, and still it is read as if a stranger had
 * written it: another version of ours may have. Undefined if it is none.
 */
export function readCertifiedPrincipal(json: string | undefined): PrincipalFields | undefined {
  if (json === undefined || Buffer.byteLength(json) > maxPrincipalBytes) return undefined
  try {
    return principalOf(JSON.parse(json))
  } catch {
    return undefined
  }
}

/** Throws where it is no principal. */
export function principalOf(json: unknown): PrincipalFields | undefined {
  const said = json as Record<string, unknown>
  const { issuer, subject, authenticatedAtMs, expiresAtMs } = said
  if (typeof issuer !== 'string' || !URL.canParse(issuer)) return undefined
  if (typeof subject !== 'string' || !subjectShape.test(subject)) return undefined
  if (!isInstant(authenticatedAtMs) || !isInstant(expiresAtMs)) return undefined
  const claims = mapClaims({ ...said, email_verified: said['emailVerified'] }, names)
  return { issuer, subject, ...claims, authenticatedAtMs, expiresAtMs }
}

function isInstant(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
