/** Rules over what the gateway decides, told of refusals and openings in order of time. What it remembers is bounded, and goes with its time. */
import { type GatewayRule, maxRefusalMs } from './gateway-rule.ts'

/** People and addresses whose refusals are remembered; the one that was refused longest ago goes. */
const maxKeys = 2000
/** Of one of them; the newest. */
const maxRefusals = 32

/** Who was refused, as far as that was known: before a sign-in only the address is. */
export type Refusal = {
  readonly atMs: number
  /** As in the audit log. */
  readonly code: string
  readonly sourceAddress: string
  readonly person?: string
  readonly target?: string
  readonly login?: string
}

export type SessionOpening = {
  readonly atMs: number
  readonly person: string
  readonly target: string
  readonly login: string
  readonly sourceAddress: string
  readonly breakGlass: boolean
}

/** A rule that an opening met, and the refusals before it, the oldest first. */
export type GatewayHit = { readonly rule: GatewayRule; readonly refusals: readonly Refusal[] }

export class GatewayRules {
  readonly #rules: readonly GatewayRule[]
  readonly #refusals = new Map<string, Refusal[]>()

  constructor(rules: readonly GatewayRule[]) {
    this.#rules = rules
  }

  refused(refusal: Refusal): void {
    const key = keyOf(refusal.person, refusal.sourceAddress)
    const before = this.#refusals.get(key) ?? []
    this.#refusals.delete(key)
    const fresh = before.filter(({ atMs }) => atMs > refusal.atMs - maxRefusalMs)
    this.#refusals.set(key, [...fresh, refusal].slice(-maxRefusals))
    const [oldest] = this.#refusals.keys()
    if (this.#refusals.size > maxKeys && oldest !== undefined) this.#refusals.delete(oldest)
  }

  /** The rules that a session meets by being opened. */
  opened(opening: SessionOpening): readonly GatewayHit[] {
    return this.#rules.flatMap(rule => {
      const refusals = this.#before(rule, opening)
      return refusals === undefined ? [] : [{ rule, refusals }]
    })
  }

  /** Undefined if the rule is not met. */
  #before(rule: GatewayRule, opening: SessionOpening): readonly Refusal[] | undefined {
    if (rule.event === 'emergency-access') return opening.breakGlass ? [] : undefined
    const isOfSignIns = rule.event === 'sign-ins-refused-then-opened'
    const key = keyOf(isOfSignIns ? undefined : opening.person, opening.sourceAddress)
    const recent = (this.#refusals.get(key) ?? []).filter(
      ({ atMs, code }) =>
        atMs <= opening.atMs && atMs >= opening.atMs - rule.within && rule.codes.includes(code),
    )
    const met = isOfSignIns ? recent : recent.filter(refusal => isSameWish(refusal, opening))
    return met.length >= (isOfSignIns ? rule.least : 1) ? met : undefined
  }
}

function keyOf(person: string | undefined, sourceAddress: string): string {
  return person === undefined ? `from ${sourceAddress}` : `of ${person}`
}

/** A wish without a login is one for any. */
function isSameWish({ target, login = '' }: Refusal, opening: SessionOpening): boolean {
  return target === opening.target && (login === '' || login === opening.login)
}
