/** The verdict on a wish, from what is known of the principal alone. `decide` makes evidence of it, `explain` a text. */
import type { Target } from '../config/config.ts'
import { printable } from '../config/printable.ts'
import type { PrincipalFields } from '../model.ts'
import { loginsOf, type Reachable, reachableBy } from './reach.ts'
import { judgeRules, type Objection, type Outcome, type Policy } from './rules.ts'

/** What somebody asks for; the result of `parseUserName` and where they come from. */
export type AccessWish = {
  readonly target?: string | undefined
  readonly login?: string | undefined
  /** A name without a separator: the target of that name, if they may reach it. */
  readonly bare?: string | undefined
  readonly sourceAddress: string
}

export type DenialCode =
  | 'principal-expired'
  | 'target-needed'
  | 'unknown-target'
  | 'no-role'
  | 'login'
  | 'login-needed'
  | 'source'
  | 'hours'

/** Why not. `userText` may be shown to the person; code and reasons are for the audit log and for `explain`. */
export type Denial = {
  readonly code: DenialCode
  readonly userText: string
  /** One for each allow rule, in the order of the file; none where no rule was looked at. */
  readonly reasons: readonly { readonly role: string; readonly line: number; readonly text: string }[]
}

export type Verdict =
  | {
      readonly kind: 'allow'
      readonly target: Target
      readonly login: string
      readonly chosen: Outcome
      /** Rules that would allow it too, but stand later in the file. */
      readonly alsoAllow: readonly Outcome[]
    }
  | { readonly kind: 'deny'; readonly denial: Denial }

/** The same for targets that do not exist and targets of others, so that nobody can list them. */
const NOT_THERE = 'There is no such target, or you have no access to it.'
/** A refusal fits on a screen. */
const MAX_LISTED = 20

/**
 * Deny by default: some rule must allow this principal this login on this target from there now.
 * Where several do, the first in the order of the file counts, alone. Total on any text.
 */
export function judge(policy: Policy, principal: PrincipalFields, wish: AccessWish, nowMs: number): Verdict {
  if (!(nowMs < principal.expiresAtMs))
    return deny('principal-expired', 'Your sign-in has expired. Sign in again.')
  const reachable = () => reachableBy(policy, principal, wish.sourceAddress, nowMs)
  const name = wish.target ?? bareTarget(policy, principal, wish, nowMs)
  if (name === undefined) return deny('target-needed', targetNeededText(reachable()))
  const target = policy.targets.find(candidate => candidate.name === name)
  if (target === undefined) return deny('unknown-target', NOT_THERE)
  return judgeTarget(policy, principal, {
    target,
    login: wish.login,
    sourceAddress: wish.sourceAddress,
    nowMs,
  })
}

/** A bare name is a target only if one of their roles says so: otherwise the answer would tell which targets exist. */
function bareTarget(
  policy: Policy,
  principal: PrincipalFields,
  { bare, sourceAddress }: AccessWish,
  nowMs: number,
): string | undefined {
  const target = policy.targets.find(candidate => candidate.name === bare)
  if (target === undefined) return undefined
  const outcomes = judgeRules(policy, principal, { target, login: undefined, sourceAddress, nowMs })
  return outcomes.some(outcome => !objects(outcome, 'member', 'target')) ? target.name : undefined
}

type Wanted = { target: Target; login: string | undefined; sourceAddress: string; nowMs: number }

function judgeTarget(policy: Policy, principal: PrincipalFields, wanted: Wanted): Verdict {
  const outcomes = judgeRules(policy, principal, wanted)
  const open = outcomes.filter(outcome => outcome.objections.length === 0)
  const logins = loginsOf(outcomes)
  const login = wanted.login ?? (logins.length === 1 ? logins[0] : undefined)
  const [chosen, ...alsoAllow] = open
  if (chosen === undefined) return { kind: 'deny', denial: denialOf(outcomes, wanted) }
  if (login !== undefined) return { kind: 'allow', target: wanted.target, login, chosen, alsoAllow }
  const text = `Say as whom: LOGIN@${wanted.target.name}. You may be ${list(logins)}.`
  return deny('login-needed', text, outcomes)
}

/** The finest objection that stands between the person and a rule of theirs names the denial. */
function denialOf(outcomes: readonly Outcome[], { target, login }: Wanted): Denial {
  const theirs = outcomes.filter(outcome => !objects(outcome, 'member', 'target'))
  if (theirs.length === 0) return denial('no-role', NOT_THERE, outcomes)
  const asLogin = theirs.filter(outcome => !objects(outcome, 'login'))
  if (asLogin.length === 0) return denial('login', loginText(target.name, login, theirs), outcomes)
  const fromHere = asLogin.filter(outcome => !objects(outcome, 'source'))
  if (fromHere.length === 0)
    return denial('source', `You may not open ${target.name} from this network.`, outcomes)
  const hours = fromHere.flatMap(({ rule }) => rule.when.hours?.text ?? [])
  return denial(
    'hours',
    `You may open ${target.name} only in its hours: ${list([...new Set(hours)])}.`,
    outcomes,
  )
}

function objects(outcome: Outcome, ...kinds: Objection[]): boolean {
  return outcome.objections.some(objection => kinds.includes(objection.kind))
}

function loginText(target: string, login: string | undefined, theirs: readonly Outcome[]): string {
  const logins = [...new Set(theirs.flatMap(outcome => outcome.rule.logins))]
  return `You may not be ${printable(login ?? '', 64)} on ${target}. You may be ${list(logins)}.`
}

function targetNeededText(reachable: readonly Reachable[]): string {
  if (reachable.length === 0) return 'Say where to: LOGIN@TARGET. There is no target that you may reach now.'
  const addresses = reachable.flatMap(({ target, logins }) => logins.map(login => `${login}@${target}`))
  return `Say where to: LOGIN@TARGET. You may reach ${list(addresses)}.`
}

function list(items: readonly string[]): string {
  const more = items.length - MAX_LISTED
  return items.slice(0, MAX_LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function deny(code: DenialCode, userText: string, outcomes: readonly Outcome[] = []): Verdict {
  return { kind: 'deny', denial: denial(code, userText, outcomes) }
}

function denial(code: DenialCode, userText: string, outcomes: readonly Outcome[]): Denial {
  const reasons = outcomes.map(({ role, rule, objections }) => ({
    role: role.name,
    line: rule.line,
    text: objections.map(objection => objection.text).join('; ') || 'allows it',
  }))
  return { code, userText, reasons }
}
