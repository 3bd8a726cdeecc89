/** Who asks, about themselves. */
import { isMember } from '../../policy/rules.ts'
import { reviewsAnything } from '../../policy/review.ts'
import type { Me } from '../schema.ts'
import { changesPurpose } from './authenticate.ts'
import type { ApiParts } from './deps.ts'
import { type Asking, route, type Route } from './route.ts'
import { me } from './shapes.ts'

export function meRoutes(parts: ApiParts): readonly Route[] {
  return [
    route(
      'person',
      { method: 'GET', path: '/me', summary: 'Who you are here, and what you may do', answer: me },
      ({ person }) => meOf(parts, person),
    ),
  ]
}

function meOf(parts: ApiParts, { principal, cookie }: Asking): Me {
  const { name, email, expiresAtMs } = principal.fields
  const policy = parts.policy()
  return {
    name,
    ...(email === undefined ? {} : { email }),
    roles: policy.roles.filter(role => isMember(role, principal.fields)).map(role => role.name),
    mayReview: reviewsAnything(policy, principal),
    formToken: cookie === undefined ? '' : parts.formTokens.of(cookie, changesPurpose),
    signedInUntilMs: expiresAtMs,
    gateway: { name: parts.gatewayName, version: parts.version, timeMs: parts.clock.nowMs() },
    pseudonyms: parts.pseudonyms(),
  }
}
