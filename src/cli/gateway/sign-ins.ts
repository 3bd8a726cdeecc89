/** Everything that a person or a machine can sign in with. */
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config, SshLimits } from '../../config/config.ts'
import { defaultPostgresLimits } from '../../config/postgres-limits.ts'
import { defaultSshLimits } from '../../config/ssh-limits.ts'
import { ConnectionPasswords } from '../../identity/connection-passwords.ts'
import { EnrolledKeys, type EnrolmentRules } from '../../identity/enrolled-keys.ts'
import { discoverKeys, type Issuer, openIssuer } from '../../identity/issuer.ts'
import { MachineTokens } from '../../identity/machine-token.ts'
import { type WaitingLimits, WaitingSignIns } from '../../identity/waiting-sign-in.ts'
import { decide } from '../../policy/decide.ts'
import type { Store } from '../../store/store.ts'

export type SignIns = {
  readonly issuer: Issuer
  /** Those that wait for a browser, by protocol: each has places of its own. */
  readonly waiting: { readonly ssh: WaitingSignIns; readonly postgres: WaitingSignIns }
  readonly passwords: ConnectionPasswords
  readonly machines: MachineTokens
  readonly keys: EnrolledKeys
}

type Parts = {
  readonly config: () => Config
  readonly store: Store
  readonly audit: AuditLog
  readonly clock: Clock
}

export function openSignIns({ config, store, audit, clock }: Parts): SignIns {
  const webUrl = config().web?.url ?? ''
  return {
    issuer: openIssuer(config().identity, { clock }),
    waiting: {
      ssh: new WaitingSignIns({ clock, limits: sshLimitsOf(config()), webUrl }),
      postgres: new WaitingSignIns({ clock, limits: waitingLimitsOf(config()), webUrl }),
    },
    passwords: new ConnectionPasswords({
      clock,
      audit,
      reuse: (principal, place, sourceAddress) => {
        const decision = decide(config(), principal, { ...place, sourceAddress }, clock.nowMs())
        return decision.kind === 'allow' ? decision.grant.fields.passwords : undefined
      },
    }),
    machines: new MachineTokens({
      clock,
      machines: () => config().identity.machines,
      keysOf: discoverKeys,
    }),
    keys: new EnrolledKeys({
      store: store.enrolledKeys,
      audit,
      clock,
      rules: () => enrolmentRules(config()),
    }),
  }
}

export function sshLimitsOf({ ssh }: Config): SshLimits {
  return ssh?.limits ?? defaultSshLimits
}

function enrolmentRules({ identity }: Config): EnrolmentRules {
  return { ...identity.enrolledKeys, issuer: identity.issuer, sessionMs: identity.sessionMs }
}

/** The places of the PostgreSQL listener's own sign-ins. */
function waitingLimitsOf({ postgres }: Config): WaitingLimits {
  const { signInTimeoutMs: signInCodeLifetimeMs, ...limits } = postgres?.limits ?? defaultPostgresLimits
  return { ...limits, signInCodeLifetimeMs }
}
