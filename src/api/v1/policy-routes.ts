/** The policy, to be read and asked; it is changed in its file and nowhere else. */
import { z } from 'zod'
import type { AllowRule, TargetMatch } from '../../config/config.ts'
import { explain } from '../../policy/explain.ts'
import type { Policy } from '../../policy/rules.ts'
import type { Explanation, PolicyView } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { line } from './fields.ts'
import { route, type Route } from './route.ts'
import { explanation, policyView } from './shapes.ts'

/** As many groups as an issuer may name of one person. */
const maxGroups = 1000
const explainBody = z.strictObject({
  principal: line(256),
  groups: z.array(line(256)).max(maxGroups),
  target: z.union([line(300), z.literal('')]),
  login: z.union([line(300), z.literal('')]),
})

export function policyRoutes(parts: ApiParts): readonly Route[] {
  return [
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/policy',
        summary: 'Roles and targets as they are in force; no secret is in it',
        answer: policyView,
      },
      () => ({ ...parts.policyText(), ...viewOf(parts.policy()) }),
    ),
    route(
      'reviewer',
      {
        method: 'POST',
        path: '/policy/explain',
        summary: 'Why policy allows or denies somebody something',
        body: explainBody,
        answer: explanation,
      },
      ({ body, person }) => explanationOf(parts, body, person.sourceAddress),
    ),
  ]
}

function viewOf({ roles, targets }: Policy): Omit<PolicyView, 'version' | 'text'> {
  return {
    roles: roles.map(({ name, members, allow, review }) => ({
      name,
      members: [...members.groups.map(group => `group ${group}`), ...members.emails].join(', ') || 'nobody',
      allows: allow.map(allowText),
      reviews: review.map(({ targets: match }) => matchText(match)),
    })),
    targets: targets.map(({ name, protocol, labels }) => ({ name, protocol, labels })),
  }
}

function allowText({ targets, logins, breakGlass, line: at }: AllowRule): string {
  const emergency = breakGlass === true ? 'emergency access, ' : ''
  return `${logins.join(', ')} on ${matchText(targets)} (${emergency}line ${at})`
}

function matchText({ name, protocol, labels = {} }: TargetMatch): string {
  const said = [
    ...(name === undefined ? [] : [name]),
    ...(protocol === undefined ? [] : [protocol]),
    ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
  ]
  return said.length === 0 ? 'all targets' : said.join(', ')
}

/** As `sallyport explain` does: with groups that are told, from the address of who asks, now. */
function explanationOf(
  parts: ApiParts,
  { principal, groups, target, login }: z.output<typeof explainBody>,
  sourceAddress: string,
): Explanation {
  const nowMs = parts.clock.nowMs()
  const person = {
    issuer: parts.issuer.url,
    subject: '',
    name: principal,
    email: principal,
    emailVerified: true,
    groups,
    authenticatedAtMs: nowMs,
    expiresAtMs: nowMs + parts.identity.sessionMs,
  }
  const wish = {
    ...(target === '' ? {} : { target }),
    ...(login === '' ? {} : { login }),
    sourceAddress,
  }
  const text = explain(parts.policy(), person, wish, nowMs)
  return { allowed: text.startsWith('ALLOWED'), text }
}
