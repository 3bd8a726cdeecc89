/** A key that must not be believed any more, and what its signatures are worth to whoever verifies. */
export type Revocation = {
  /** `SHA256:…` */
  readonly keyId: string
  readonly publicKeyPem: string
  /** When it was revoked; ISO 8601, UTC. */
  readonly at: string
  readonly why: string
  /** Since when somebody else may have had it, if that is earlier. */
  readonly since?: string
}

/** What it signed before this instant was certainly signed by its owner. */
export function goodBefore({ at, since }: Revocation): string {
  return since !== undefined && since < at ? since : at
}

/** For a person, behind "signed by a key that was revoked". */
export function revokedText({ keyId, at, why, since }: Revocation): string {
  const from = since === undefined ? '' : `, not to be believed since ${since}`
  return `${keyId}, revoked at ${at}${from}: ${why}`
}
