/** How one rule looks at one wish. Pure; every reason is kept, so that a refusal can be explained. */
import type { AllowRule, Config, Role, Target, TargetMatch } from '../config/config.ts'
import { contains, parseAddress, parseNetwork } from '../config/network.ts'
import type { PrincipalFields } from '../model.ts'
import { openUntil } from './hours.ts'

/** The part of the configuration that decides. */
export type Policy = Pick<Config, 'targets' | 'roles' | 'policyVersion'>

/** Why a rule does not allow a wish, from the coarsest to the finest. */
export type Objection = 'member' | 'target' | 'login' | 'source' | 'hours'

export type Outcome = {
  readonly role: Role
  readonly rule: AllowRule
  readonly objections: readonly { readonly kind: Objection; readonly text: string }[]
  /** When its hours end; Infinity without hours. Only of use where there is no objection. */
  readonly hoursEndMs: number
}

export type Circumstances = {
  readonly target: Target
  /** Undefined: any login of the rule. */
  readonly login: string | undefined
  readonly sourceAddress: string
  readonly nowMs: number
}

/** Every allow rule, in the order of the file. */
export function judgeRules(
  policy: Policy,
  principal: PrincipalFields,
  about: Circumstances,
): readonly Outcome[] {
  return policy.roles.flatMap(role => role.allow.map(rule => judgeRule(role, rule, principal, about)))
}

function judgeRule(role: Role, rule: AllowRule, principal: PrincipalFields, about: Circumstances): Outcome {
  const objections: { kind: Objection; text: string }[] = []
  const { target, login, sourceAddress, nowMs } = about
  if (!isMember(role, principal)) objections.push({ kind: 'member', text: memberText(role, principal) })
  if (!matchesTarget(rule.targets, target)) objections.push({ kind: 'target', text: 'is for other targets' })
  if (login !== undefined && !rule.logins.includes(login))
    objections.push({ kind: 'login', text: `allows only the logins ${rule.logins.join(', ')}` })
  if (!isFrom(rule.when.from, sourceAddress))
    objections.push({ kind: 'source', text: `allows only connections from ${rule.when.from?.join(', ')}` })
  const hoursEndMs = rule.when.hours === undefined ? Infinity : openUntil(rule.when.hours, nowMs)
  if (hoursEndMs === undefined)
    objections.push({ kind: 'hours', text: `is in force only ${rule.when.hours?.text}` })
  return { role, rule, objections, hoursEndMs: hoursEndMs ?? nowMs }
}

/** Through a group, or through an e-mail address that the issuer has verified. */
export function isMember(role: Role, principal: PrincipalFields): boolean {
  if (role.members.groups.some(group => principal.groups.includes(group))) return true
  const { email, emailVerified } = principal
  return (
    emailVerified && email !== undefined && role.members.emails.some(member => isSameEmail(member, email))
  )
}

function memberText(role: Role, principal: PrincipalFields): string {
  const { email, emailVerified } = principal
  const unverified = email !== undefined && role.members.emails.some(member => isSameEmail(member, email))
  return unverified && !emailVerified
    ? 'is for this e-mail address, but the issuer has not verified it'
    : 'is not a role of this principal'
}

/** Only the case of ASCII letters is ignored: Unicode folds other letters into them, such as the Kelvin sign into k. */
function isSameEmail(a: string, b: string): boolean {
  return lowerAscii(a) === lowerAscii(b)
}

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, letter => letter.toLowerCase())
}

/** All that the match says must hold. */
export function matchesTarget(
  match: TargetMatch,
  target: {
    readonly name: string
    readonly protocol: string
    readonly labels: Readonly<Record<string, string>>
  },
): boolean {
  if (match.name !== undefined && match.name !== target.name) return false
  if (match.protocol !== undefined && match.protocol !== target.protocol) return false
  return Object.entries(match.labels ?? {}).every(
    ([key, value]) => Object.hasOwn(target.labels, key) && target.labels[key] === value,
  )
}

function isFrom(networks: readonly string[] | undefined, sourceAddress: string): boolean {
  if (networks === undefined) return true
  const address = parseAddress(sourceAddress)
  return (
    address !== undefined &&
    networks.some(text => {
      const network = parseNetwork(text)
      return network.ok && contains(network.value, address)
    })
  )
}
