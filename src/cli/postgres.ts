/** The PostgreSQL side of a gateway, put together from its parts. */
import { Grammar } from '../analysis/sql/grammar.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { Config, PostgresConfig, PostgresLimits } from '../config/config.ts'
import { defaultPostgresLimits } from '../config/postgres-limits.ts'
import type { Authorities } from '../credentials/authority.ts'
import { AccessTokens } from '../identity/access-token.ts'
import type { ConnectionPasswords } from '../identity/connection-passwords.ts'
import { discoverTokenIssuer } from '../identity/issuer.ts'
import type { MachineTokens } from '../identity/machine-token.ts'
import { principalOfAccessToken } from '../identity/principal.ts'
import { RefusalNotes } from '../identity/refusal-notes.ts'
import type { WaitingSignIns } from '../identity/waiting-sign-in.ts'
import { checkX509SignIn } from '../identity/x509-sign-in.ts'
import type { Log } from '../log.ts'
import type { AuthenticationParts } from '../postgres/authentication.ts'
import type { BearerParts } from '../postgres/authentication-oauth.ts'
import { CancelKeys } from '../postgres/cancel-keys.ts'
import type { Cleanups } from '../postgres/cleanups.ts'
import { type PostgresListenerParts, startPostgresListeners } from '../postgres/listener.ts'
import type { RelayEnds, RunningRelay } from '../postgres/passage.ts'
import { MaskedDatabases, type MaskedDatabasesParts } from '../postgres/relay/masked-databases.ts'
import { secretScan } from '../postgres/relay/secret-scan.ts'
import { startRelay } from '../postgres/relay/start.ts'
import type { SessionParts } from '../session/session.ts'
import { trustsIssuer } from './trusted-issuers.ts'

export type PostgresParts = {
  /** The configuration in force. */
  readonly config: () => Config
  readonly authorities: Authorities
  readonly session: Omit<SessionParts, 'maxSessionsPerPrincipal'>
  readonly mint: PostgresListenerParts['mint']
  readonly cleanups: Cleanups
  readonly brokerOf: MaskedDatabasesParts['brokerOf']
  readonly passwords: ConnectionPasswords
  readonly machines: MachineTokens
  /** Those of this listener alone. */
  readonly waiting: WaitingSignIns
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
}

/** Where it listens; both ports are free ones where the configuration says 0. */
export type RunningPostgres = {
  readonly port: number
  readonly oauthPort: number | undefined
  readonly close: () => Promise<void>
}

/** Starts what the section `postgres` asks for; undefined without one. Throws Fault PORT_IN_USE. */
export async function startPostgres(parts: PostgresParts): Promise<RunningPostgres | undefined> {
  const { postgres } = parts.config()
  if (postgres === undefined) return undefined
  const { brokerOf, clock, log } = parts
  const grammar = new Grammar()
  grammar.warm()
  const maskedDatabases = new MaskedDatabases({ brokerOf, grammar, clock, log })
  const { listen, oauth } = postgres
  const endpoints = oauth?.listen === undefined ? [listen] : [listen, { ...oauth.listen, oauth: true }]
  const [main, other] = await startPostgresListeners(
    endpoints,
    listenerParts(postgres, { grammar, maskedDatabases }, parts),
  )
  if (main === undefined) return undefined
  return {
    port: main.port,
    oauthPort: other?.port,
    close: async () => {
      await Promise.all([main.close(), other?.close()])
      await grammar.close()
    },
  }
}

/** What reads statements, and what it must know of databases. */
type Reading = { readonly grammar: Grammar; readonly maskedDatabases: MaskedDatabases }

function limitsOf(config: Config): PostgresLimits {
  return config.postgres?.limits ?? defaultPostgresLimits
}

function listenerParts(
  postgres: PostgresConfig,
  reading: Reading,
  parts: PostgresParts,
): PostgresListenerParts {
  const { session, mint, cleanups, passwords, audit, clock, log } = parts
  const limits = (): PostgresLimits => limitsOf(parts.config())
  return {
    limits,
    tls: postgres.tls,
    authentication: authenticationParts(postgres, parts),
    passwords,
    session: { ...session, maxSessionsPerPrincipal: () => limits().maxSessionsPerPrincipal },
    mint,
    cancels: new CancelKeys(),
    cleanups,
    relay: ends => relay(ends, reading, parts),
    audit,
    clock,
    log,
  }
}

function relay(
  ends: RelayEnds,
  { grammar, maskedDatabases }: Reading,
  { config, log }: PostgresParts,
): RunningRelay {
  return startRelay(ends, {
    grammar,
    maskedDatabases,
    limits: () => limitsOf(config()),
    headRows: () => config().recording.results,
    maskSecrets: secretScan(config().recording.maskPatterns),
    log,
  })
}

function authenticationParts(postgres: PostgresConfig, parts: PostgresParts): AuthenticationParts {
  const { config, passwords, machines, waiting, authorities, audit, clock, log } = parts
  return {
    passwords,
    machines,
    waiting,
    signInTimeoutMs: () => limitsOf(config()).signInTimeoutMs,
    checkCertificate: (der, sourceAddress) =>
      checkX509SignIn(der, {
        authorities: authorities.ring.accepted('sign-in-x509', clock.nowMs()),
        gatewayName: config().gateway.name,
        sourceAddress,
        nowMs: clock.nowMs(),
        trustsIssuer: issuer => trustsIssuer(config(), issuer),
      }),
    oauth: bearerParts(postgres, parts),
    places: () => ({
      domain: postgres.serverName,
      targetNamed: name =>
        config().targets.find(target => target.name.toLowerCase() === name.toLowerCase())?.name,
    }),
    refusals: {
      webUrl: config().web?.url ?? '',
      get browserSignIn() {
        return config().postgres?.browserSignIn ?? false
      },
    },
    notes: new RefusalNotes({ audit, clock }),
    audit,
    clock,
    log,
  }
}

function bearerParts({ oauth }: PostgresConfig, { config, clock }: PostgresParts): BearerParts | undefined {
  if (oauth === undefined) return undefined
  const rules = { ...oauth, claims: config().identity.claims }
  const tokens = new AccessTokens({ clock, rules, discover: discoverTokenIssuer })
  return {
    serverName: oauth.serverName,
    issuer: oauth.issuer,
    scope: oauth.scope,
    verify: async token =>
      principalOfAccessToken(await tokens.verify(token), config().identity, clock.nowMs()),
  }
}
