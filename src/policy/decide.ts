/** Policy: who may open what as whom, now. Pure, deny by default; the only maker of Grants. */
import type { AllowRule, DenyRules, KeptFiles, MaskRule, PasswordRule, Target } from '../config/config.ts'
import { defaultForwardRules, type ForwardRules } from '../config/forward-rule.ts'
import type { Principal } from '../identity/principal.ts'
import type { ChannelKind } from '../model.ts'
import { matchesExec } from './exec-pattern.ts'
import { type AccessWish, type Denial, judge, type Verdict } from './judge.ts'
import { type Reachable, reachableBy } from './reach.ts'
import type { Policy } from './rules.ts'

export type { AccessWish, Denial } from './judge.ts'
export type { Reachable } from './reach.ts'
export type { Policy } from './rules.ts'

export type GrantFields = {
  readonly principal: Principal
  readonly target: Target
  readonly login: string
  readonly role: string
  /** Line of the rule in the configuration file. */
  readonly ruleLine: number
  /** Of the policy that decided, as `policyTextOf` counts it. */
  readonly policyVersion?: string
  readonly sourceAddress: string
  readonly grantedAtMs: number
  /** From this instant on the grant is worth nothing. */
  readonly validUntilMs: number
  /** What ends it then: the rule's `sessions.max`, its hours, or the sign-in. */
  readonly endsBy: 'max' | 'hours' | 'sign-in'
  readonly idleTimeoutMs: number
  readonly channels: readonly ChannelKind[]
  /** If there are patterns, only exec requests that match one of them. */
  readonly exec: readonly string[] | undefined
  /** Where forwards may lead, if `channels` has them. */
  readonly forward: ForwardRules | undefined
  /** What recordings keep of files; left out, what is usual. */
  readonly files?: KeptFiles
  /** Whether files may pass through a terminal; left out, they may. */
  readonly zmodem?: 'allow' | 'deny'
  /** Emergency access: each session under it is looked at afterwards. */
  readonly breakGlass?: true
  /** What never reaches a PostgreSQL target; undefined on SSH, as the three after it. */
  readonly deny: DenyRules | undefined
  readonly mask: readonly MaskRule[] | undefined
  readonly replication: boolean | undefined
  readonly passwords: PasswordRule | undefined
}

/** Evidence that policy allows this principal this login on this target until an instant. */
class Grant {
  readonly #issued = true
  readonly fields: GrantFields

  constructor(fields: GrantFields) {
    this.fields = Object.freeze({ ...fields })
  }

  static is(value: object): value is Grant {
    return #issued in value
  }

  /** The same grant, ending at that instant if that is sooner: a session that is decided again does not start again. */
  endingNoLaterThan(instantMs: number): Grant {
    if (this.fields.validUntilMs <= instantMs) return this
    return new Grant({ ...this.fields, validUntilMs: instantMs })
  }
}
export type { Grant }

export type Decision =
  | { readonly kind: 'allow'; readonly grant: Grant }
  | { readonly kind: 'deny'; readonly denial: Denial }

/** Whether the value is a Grant that this module made; for checks where types do not reach. */
export function isGrant(value: object): value is Grant {
  return Grant.is(value)
}

/**
 * Decides whether the principal may open what they wish, at that instant (milliseconds). Never throws, whatever the
 * texts of the wish are. Rules in the order of the file; the first that allows gives the grant its limits.
 */
export function decide(policy: Policy, principal: Principal, wish: AccessWish, nowMs: number): Decision {
  const verdict = judge(policy, principal.fields, wish, nowMs)
  if (verdict.kind === 'deny') return verdict
  return {
    kind: 'allow',
    grant: grantFrom(verdict, principal, wish.sourceAddress, policy.policyVersion, nowMs),
  }
}

function grantFrom(
  { target, login, chosen }: Extract<Verdict, { kind: 'allow' }>,
  principal: Principal,
  sourceAddress: string,
  policyVersion: string | undefined,
  nowMs: number,
): Grant {
  const { role, rule, hoursEndMs } = chosen
  return new Grant({
    principal,
    target,
    login,
    role: role.name,
    ruleLine: rule.line,
    ...(policyVersion === undefined ? {} : { policyVersion }),
    sourceAddress,
    grantedAtMs: nowMs,
    ...earliest({
      max: nowMs + rule.sessions.maxMs,
      hours: hoursEndMs,
      'sign-in': principal.fields.expiresAtMs,
    }),
    idleTimeoutMs: rule.sessions.idleMs,
    channels: rule.channels,
    exec: rule.exec,
    forward: rule.channels.includes('forward') ? (rule.forward ?? defaultForwardRules) : undefined,
    ...(rule.files === undefined ? {} : { files: rule.files }),
    ...(rule.zmodem === undefined ? {} : { zmodem: rule.zmodem }),
    ...(rule.breakGlass === true ? { breakGlass: true } : {}),
    ...databaseFields(target, rule),
  })
}

/** A rule may cover targets of both protocols; what it says of one is nothing to the other. */
function databaseFields(
  target: Target,
  rule: AllowRule,
): Pick<GrantFields, 'deny' | 'mask' | 'replication' | 'passwords'> {
  if (target.protocol !== 'postgres')
    return { deny: undefined, mask: undefined, replication: undefined, passwords: undefined }
  const { deny, mask, replication = false, passwords } = rule
  return { deny, mask, replication, passwords }
}

type End = Pick<GrantFields, 'validUntilMs' | 'endsBy'>

/** The first end of a verdict that allows: `sessions.max`, the hours, the sign-in. */
export function earliest(ends: Record<GrantFields['endsBy'], number>): End {
  const validUntilMs = Math.min(ends.max, ends.hours, ends['sign-in'])
  const endsBy = validUntilMs === ends['sign-in'] ? 'sign-in' : validUntilMs === ends.hours ? 'hours' : 'max'
  return { validUntilMs, endsBy }
}

/** What a person wants to open inside a session. */
export type ChannelWish = { readonly kind: ChannelKind; readonly command?: Uint8Array | undefined }
export type ChannelDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: string }

/** Whether the grant covers a channel. The reason of a refusal may be shown to the person. */
export function allowsChannel(grant: Grant, { kind, command }: ChannelWish): ChannelDecision {
  const { channels, exec } = grant.fields
  if (!channels.includes(kind)) {
    const only = exec === undefined ? channels.join(', ') : 'exec requests of certain commands'
    return { allowed: false, reason: `Policy does not allow ${kind} here, only ${only}.` }
  }
  if (exec === undefined) return { allowed: true }
  if (command !== undefined && matchesExec(exec, command)) return { allowed: true }
  return { allowed: false, reason: `Policy does not allow this command here, only: ${exec.join(', ')}.` }
}

/** What the principal may reach from there now; for pickers and hints. */
export function reachable(
  policy: Policy,
  principal: Principal,
  sourceAddress: string,
  nowMs: number,
): readonly Reachable[] {
  return reachableBy(policy, principal.fields, sourceAddress, nowMs)
}
