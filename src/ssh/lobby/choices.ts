/** What a person may choose from at this instant, and why not from more. */
import { printable } from '../../config/printable.ts'
import type { Principal } from '../../identity/principal.ts'
import { principalKey } from '../../identity/principal.ts'
import { decide, type Policy, reachable } from '../../policy/decide.ts'
import type { SessionStore } from '../../store/store.ts'
import { addressOf, type Choice } from './picker.ts'

/** Names are at most this long, and whatever is longer would leave no room for the rest. */
const maxTextCharacters = 64

/** Sessions of the person that say what was used last. */
const lookedAt = 200

type Asking = { readonly principal: Principal; readonly sourceAddress: string; readonly nowMs: number }

/** In the order of the configuration. */
export function choicesOf(policy: Policy, { principal, sourceAddress, nowMs }: Asking): readonly Choice[] {
  return reachable(policy, principal, sourceAddress, nowMs).flatMap(({ target, logins, labels }) => {
    const text = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    return logins.map(login => ({
      target,
      login,
      labels: printable(text.join(' '), maxTextCharacters),
    }))
  })
}

/** Why targets of theirs are not in the list now. Those of others do not exist here. */
export function missingText(policy: Policy, { principal, sourceAddress, nowMs }: Asking): string {
  const there = new Set(reachable(policy, principal, sourceAddress, nowMs).map(({ target }) => target))
  const reasons = policy.targets.flatMap(({ name }) => {
    if (there.has(name)) return []
    const decision = decide(policy, principal, { target: name, sourceAddress }, nowMs)
    const hidden = decision.kind === 'allow' || !['hours', 'source'].includes(decision.denial.code)
    return hidden ? [] : [decision.denial.userText]
  })
  const more = reasons.length > 1 ? ` And ${reasons.length - 1} more not now.` : ''
  return reasons.length === 0 ? '' : printable(`${reasons[0]}${more}`)
}

/** The same, what was used last first. A store that cannot answer leaves them as they are. */
export async function lastUsedFirst(
  choices: readonly Choice[],
  principal: Principal,
  sessions: SessionStore,
): Promise<readonly Choice[]> {
  const rows = await sessions.list({ limit: lookedAt, subjectKey: principalKey(principal) }).catch(() => [])
  const used = [...new Set(rows.map(addressOf))]
  const rank = (choice: Choice): number => {
    const index = used.indexOf(addressOf(choice))
    return index === -1 ? used.length : index
  }
  return choices.toSorted((a, b) => rank(a) - rank(b))
}
