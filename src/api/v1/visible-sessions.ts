import type { Principal } from '../../identity/principal.ts'
import type { Protocol } from '../../model.ts'
import { mayReview } from '../../policy/review.ts'
import type { Policy } from '../../policy/rules.ts'
import { sessionOfNobody } from '../../store/session-of-nobody.ts'
import type { SessionPageFound, SessionPageWish, VisibleSessions } from '../../store/session-query.ts'
import type { ApiDeps } from './deps.ts'

/** A page of them, newest first. */
export async function reviewablePage(
  { catalogue, policy }: Pick<ApiDeps, 'catalogue' | 'policy'>,
  principal: Principal,
  wish: Omit<SessionPageWish, 'filter'>,
): Promise<Pick<SessionPageFound, 'rows' | 'next'>> {
  const visible = visibleTo(policy(), principal, await catalogue.targets())
  return await catalogue.page({ filter: { visible, among: {} }, ...wish })
}

/**
 * What policy lets somebody see, as a condition on rows, so that totals and histograms count no row that a list would not show. It asks
 * `mayReview` once for each target that there ever was, with a row that stands for all of its sessions: policy looks at the target, the
 * protocol, and whose it is.
 */
export function visibleTo(policy: Policy, principal: Principal, targets: readonly string[]): VisibleSessions {
  const { issuer, subject } = principal.fields
  const seen = (protocol: Protocol): readonly string[] =>
    targets.filter(target => mayReview(policy, principal, sessionOfNobody(protocol, target)).allowed)
  return {
    kind: 'reviewed',
    targets: { ssh: seen('ssh'), postgres: seen('postgres') },
    butNotOf: { issuer, subject },
  }
}
