import type { AllowRule } from '../config/config.ts'
import { defaultForwardRules, type ForwardRule } from '../config/forward-rule.ts'
import { printable } from '../config/printable.ts'
import { didYouMean } from '../config/suggest.ts'
import type { PrincipalFields } from '../model.ts'
import { earliest } from './decide.ts'
import { type AccessWish, type Denial, judge, type Verdict } from './judge.ts'
import { reachableBy } from './reach.ts'
import type { Outcome, Policy } from './rules.ts'

/** Decides as `decide` does and says why, in lines for a terminal: the rule that allowed, or why each rule did not. */
export function explain(policy: Policy, principal: PrincipalFields, wish: AccessWish, nowMs: number): string {
  const verdict = judge(policy, principal, wish, nowMs)
  const lines =
    verdict.kind === 'allow'
      ? allowedLines(verdict, principal, nowMs)
      : [...deniedLines(verdict.denial, policy, wish), ...reachLines(policy, principal, wish, nowMs)]
  return lines.map(line => printable(line)).join('\n')
}

type Allowed = Extract<Verdict, { kind: 'allow' }>

function allowedLines(
  { target, login, chosen, alsoAllow }: Allowed,
  principal: PrincipalFields,
  nowMs: number,
): string[] {
  const { rule, hoursEndMs } = chosen
  const end = earliest({
    max: nowMs + rule.sessions.maxMs,
    hours: hoursEndMs,
    'sign-in': principal.expiresAtMs,
  })
  const endsBy = { max: 'sessions.max', hours: 'the hours of the rule', 'sign-in': 'the sign-in' }[end.endsBy]
  return [
    `ALLOWED: ${principal.name} as ${login} on ${target.name}, by ${place(chosen)}`,
    `  a member through ${membership(chosen, principal)}`,
    `  until ${new Date(end.validUntilMs).toISOString()} (${endsBy}), or ${rule.sessions.idleMs / 1000} s without activity`,
    ...(rule.breakGlass === true ? ['  emergency access: each session makes a finding for reviewers'] : []),
    ...(target.protocol === 'ssh' ? shellLines(rule) : databaseLines(rule)),
    ...alsoAllow.map(other => `  ${place(other)} would allow it too, but stands later and is not used`),
  ]
}

function shellLines(rule: AllowRule): string[] {
  const what =
    rule.exec === undefined
      ? `  channels: ${rule.channels.join(', ')}`
      : `  only these commands: ${rule.exec.join(' | ')}`
  return [what, ...forwardLines(rule)]
}

function databaseLines({ deny, mask = [], replication = false, passwords }: AllowRule): string[] {
  const denied = [...(deny?.statements ?? []), ...(deny?.tables ?? [])]
  return [
    denied.length === 0 ? '  all statements' : `  all statements but: ${denied.join(', ')}`,
    ...mask.map(rule => `  masked (${rule.with}): ${rule.columns.join(', ')}`),
    ...(replication ? ['  replication, which copies whole databases'] : []),
    passwords === undefined
      ? '  passwords from the sign-in page work once'
      : `  passwords from the sign-in page work for ${passwords.forMs / 60_000} minutes and ${passwords.connections} connections`,
  ]
}

function forwardLines(rule: AllowRule): string[] {
  if (!rule.channels.includes('forward')) return []
  const { to, from } = rule.forward ?? defaultForwardRules
  const listed = (rules: readonly ForwardRule[]) => rules.map(({ text }) => text).join(', ') || 'nowhere'
  return [
    `  forwards to: ${listed(to)} (as the target sees it)`,
    `  listening on the target: ${listed(from)}`,
  ]
}

function deniedLines({ code, userText, reasons }: Denial, policy: Policy, wish: AccessWish): string[] {
  const rules = reasons.map(({ role, line, text }) => `  role ${role}, line ${line}: ${text}`)
  return [`DENIED (${code}): ${userText}`, ...unknownTargetLines(code, policy, wish), ...rules]
}

/** The person is told the same for unknown and forbidden targets; whoever reads the configuration may know which. */
function unknownTargetLines(code: Denial['code'], policy: Policy, { target, bare }: AccessWish): string[] {
  const name = target ?? bare
  if (name === undefined || (code !== 'unknown-target' && code !== 'target-needed')) return []
  const names = policy.targets.map(known => known.name)
  if (names.includes(name)) return [`  \`${name}\` is a target, but none of this principal's roles is for it`]
  const suggestion = didYouMean(name, names)
  return [`  no target is named \`${name}\`${suggestion === undefined ? '' : `; ${suggestion}`}`]
}

function reachLines(policy: Policy, principal: PrincipalFields, wish: AccessWish, nowMs: number): string[] {
  const reachable = reachableBy(policy, principal, wish.sourceAddress, nowMs)
  if (reachable.length === 0) return ['  this principal can reach nothing from there now']
  return [
    '  this principal can reach now:',
    ...reachable.map(({ target, logins }) => `    ${target} as ${logins.join(', ')}`),
  ]
}

function place({ role, rule }: Outcome): string {
  return `role ${role.name}, line ${rule.line}`
}

function membership({ role }: Outcome, principal: PrincipalFields): string {
  const group = role.members.groups.find(candidate => principal.groups.includes(candidate))
  return group === undefined ? `the verified e-mail address ${principal.email ?? ''}` : `the group ${group}`
}
