import type { Principal } from '../../identity/principal.ts'
import type { Protocol } from '../../model.ts'
import { mayReview } from '../../policy/review.ts'
import type { Policy } from '../../policy/rules.ts'
import { sessionOfNobody } from '../../store/session-of-nobody.ts'
import type { VisibleSessions } from '../../store/session-query.ts'

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
