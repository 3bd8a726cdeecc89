/** Which forwards a grant covers. Pure; names are compared as text, and nothing is looked up: the target does that. */
import type { ForwardRule } from '../config/forward-rule.ts'
import { contains, isLoopback, parseAddress, parseNetwork } from '../config/network.ts'
import { printable } from '../config/printable.ts'
import { matchesWildcard } from '../config/wildcard.ts'
import { allowsChannel, type ChannelDecision, type Grant } from './decide.ts'

/** A TCP port (0: whichever is free, to listen only) or a socket in the file system, as the target sees it. */
export type ForwardPlace = { readonly host: string; readonly port: number } | { readonly path: string }

/** `to`: the target is to connect there for the client. `from`: the target is to listen there for the client. */
export type ForwardWish = { readonly direction: 'to' | 'from'; readonly place: ForwardPlace }

/** Longer names do not exist (RFC 1035, section 2.3.4). */
const MAX_HOST_LENGTH = 255
/** What Linux takes for a path. */
const MAX_PATH_LENGTH = 4096
const MAX_LISTED = 10

/** Whether the grant covers a forward. The reason of a refusal may be shown to the person. */
export function allowsForward(grant: Grant, { direction, place }: ForwardWish): ChannelDecision {
  const channel = allowsChannel(grant, { kind: 'forward' })
  if (!channel.allowed) return channel
  const rules = grant.fields.forward?.[direction] ?? []
  if (rules.some(rule => matches(rule, place))) return { allowed: true }
  const verb = direction === 'to' ? 'forwards to' : 'listening on'
  return {
    allowed: false,
    reason: `Policy does not allow ${verb} ${placeText(place)} here, only ${listText(rules)}.`,
  }
}

/** `host:port`, `[IPv6]:port` or a path, fit to be shown. */
export function placeText(place: ForwardPlace): string {
  if ('path' in place) return printable(place.path, 200)
  const host = place.host === '' ? '*' : printable(place.host, 200)
  return host.includes(':') ? `[${host}]:${place.port}` : `${host}:${place.port}`
}

function listText(rules: readonly ForwardRule[]): string {
  if (rules.length === 0) return 'nowhere'
  const more = rules.length - MAX_LISTED
  const texts = rules.slice(0, MAX_LISTED).map(rule => rule.text)
  return texts.join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function matches(rule: ForwardRule, place: ForwardPlace): boolean {
  if ('path' in place) return rule.kind === 'path' && matchesPath(rule.pattern, place.path)
  if (rule.kind !== 'port' || place.port < rule.ports.from || place.port > rule.ports.to) return false
  return matchesHost(rule.host, place.host)
}

/**
 * Spellings that a resolver understands and we do not (`127.1`, `0x7f.1`, `0`) match nothing but `*`. So do zones
 * (`fe80::1%eth0`) and the empty name, which means every address of the target when it listens.
 */
function matchesHost(rule: string, host: string): boolean {
  if (rule === '*') return host.length <= MAX_HOST_LENGTH
  const name = host.toLowerCase().replace(/\.$/, '')
  if (name === '' || name.length > MAX_HOST_LENGTH || name.includes('%')) return false
  if (rule === 'localhost') return isLoopback(name)
  if (rule.startsWith('*.')) return parseAddress(name) === undefined && name.endsWith(rule.slice(1))
  const address = parseAddress(name)
  const network = parseNetwork(rule)
  if (address !== undefined && network.ok) return contains(network.value, address)
  return address === undefined && !network.ok && name === rule.replace(/\.$/, '')
}

/** A path with a step that leads elsewhere matches nothing. Links that the target has are the target's. */
function matchesPath(pattern: string, path: string): boolean {
  if (path.length > MAX_PATH_LENGTH || !path.startsWith('/') || path.includes('\0')) return false
  const [wanted, steps] = [pattern.slice(1).split('/'), path.slice(1).split('/')]
  if (steps.some(step => step === '' || step === '.' || step === '..')) return false
  const below = wanted.at(-1) === '**'
  if (below ? steps.length < wanted.length : steps.length !== wanted.length) return false
  return wanted.every(
    (step, index) => (below && index === wanted.length - 1) || matchesWildcard(step, steps[index] ?? ''),
  )
}
