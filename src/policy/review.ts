import type { Principal } from '../identity/principal.ts'
import type { SessionRow } from '../model.ts'
import { isMember, matchesTarget, type Policy } from './rules.ts'

export type ReviewDecision =
  | { readonly allowed: true; readonly role: string }
  | { readonly allowed: false; readonly reason: string }

/** Whose session it is, and where. */
type Reviewed = Pick<SessionRow, 'issuer' | 'subject' | 'target' | 'protocol'>

/**
 * Whether the principal may see the session and its recording. Never one's own, whatever the roles say.
 * A target that is gone from the configuration has no labels any more; rules by protocol still match it.
 */
export function mayReview(policy: Policy, principal: Principal, session: Reviewed): ReviewDecision {
  const { issuer, subject } = principal.fields
  if (session.issuer === issuer && session.subject === subject)
    return { allowed: false, reason: 'Nobody reviews their own sessions.' }
  const labels = policy.targets.find(target => target.name === session.target)?.labels ?? {}
  const target = { name: session.target, protocol: session.protocol, labels }
  const role = policy.roles.find(
    candidate =>
      isMember(candidate, principal.fields) &&
      candidate.review.some(rule => matchesTarget(rule.targets, target)),
  )
  if (role !== undefined) return { allowed: true, role: role.name }
  return { allowed: false, reason: 'You have no role that reviews sessions on this target.' }
}

/** Whether the principal has the right to review anything at all; for pages that list sessions. */
export function reviewsAnything(policy: Policy, principal: Principal): boolean {
  return policy.roles.some(role => role.review.length > 0 && isMember(role, principal.fields))
}
