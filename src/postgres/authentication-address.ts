import { parseUserName } from '../policy/address.ts'

/** Where somebody wants to go, as far as they said it; what is left out, policy or a password completes. */
export type NamedPlace = {
  readonly target?: string | undefined
  readonly login?: string | undefined
  readonly bare?: string | undefined
}

export type PlaceNames = {
  /** `postgres.serverName`: `orders.bastion.example.com` means the target `orders`. */
  readonly domain: string
  /** The target of that name, in any case, if there is one. */
  readonly targetNamed: (name: string) => string | undefined
}

/**
 * From the user name, and from the TLS server name where the user name has no target. Everybody is asked for a password all the same,
 * so this tells nobody which targets there are. Total on any text.
 */
export function readPlace(user: string, tlsServerName: string | undefined, names: PlaceNames): NamedPlace {
  const named = parseUserName(user)
  if (named.target !== undefined) return named
  const target = targetOf(tlsServerName, names)
  if (target === undefined) return named
  const login = named.login ?? named.bare
  return login === undefined ? { target } : { target, login }
}

function targetOf(
  tlsServerName: string | undefined,
  { domain, targetNamed }: PlaceNames,
): string | undefined {
  const [name, suffix] = [tlsServerName?.toLowerCase(), `.${domain.toLowerCase()}`]
  if (name === undefined || !name.endsWith(suffix)) return undefined
  return targetNamed(name.slice(0, -suffix.length))
}
