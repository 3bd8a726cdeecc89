import { Fault } from '../errors.ts'

/** Which claims of the issuer say who somebody is (`identity.claims` of the configuration). */
export type ClaimNames = {
  /** The claim that people and auditors read: usually `email`. */
  readonly name: string
  /** The claim whose values are the groups that roles name. */
  readonly groups: string
}

/** The claims that became the person, checked. */
export type MappedClaims = {
  readonly name: string
  readonly email: string | undefined
  readonly emailVerified: boolean
  readonly groups: readonly string[]
}

/** Characters of a name, an e-mail or one group: RFC 5321 allows 254 for an address, directories use 256 for groups. */
export const maxClaimCharacters = 256

/** Groups of one person. Directories that send more (Entra stops at 200) send a link instead of groups. */
export const maxGroups = 1000

/** What no name may carry: control, bidirectional, zero-width and tag characters would forge what an auditor reads. */
const unreadable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/u

/**
 * Maps the issuer's claims to a person. No groups is no groups; a claim of another type, too long, too many or with
 * characters that hide is a refusal (Fault TOKEN_REFUSED), never a guess.
 */
export function mapClaims(claims: Readonly<Record<string, unknown>>, names: ClaimNames): MappedClaims {
  return {
    name: readName(claims, names.name),
    email: claims['email'] === undefined ? undefined : readText(claims['email'], 'email'),
    emailVerified: claims['email_verified'] === true,
    groups: readGroups(claims[names.groups], names.groups),
  }
}

function readName(claims: Readonly<Record<string, unknown>>, claim: string): string {
  const value = claims[claim]
  if (value !== undefined) return readText(value, claim)
  throw refused(`The identity provider did not say the claim "${claim}", which names people here.`)
}

function readGroups(value: unknown, claim: string): readonly string[] {
  if (value === undefined || value === null) return []
  const groups: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (groups.length > maxGroups) throw refused(`The claim "${claim}" has more than ${maxGroups} values.`)
  return Object.freeze([...new Set(groups.map(group => readText(group, claim)))])
}

function readText(value: unknown, claim: string): string {
  if (typeof value !== 'string') throw refused(`The claim "${claim}" is not text.`)
  if (value === '' || value.length > maxClaimCharacters)
    throw refused(`The claim "${claim}" is empty or longer than ${maxClaimCharacters} characters.`)
  if (unreadable.test(value)) throw refused(`The claim "${claim}" contains characters that do not show.`)
  return value
}

function refused(sentence: string): Fault {
  return new Fault(
    'TOKEN_REFUSED',
    `${sentence} Ask the people who run this gateway to check identity.claims.`,
  )
}
