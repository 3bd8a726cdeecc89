/** The PostgreSQL side of a gateway, put together from its parts. */
import { Grammar } from '../analysis/sql/grammar.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { Config, PostgresConfig, PostgresLimits } from '../config/config.ts'
import { defaultPostgresLimits } from '../config/postgres-limits.ts'
import { Fault } from '../errors.ts'
import { AccessTokens } from '../identity/access-token.ts'
import type { ConnectionPasswords } from '../identity/connection-passwords.ts'
import { discoverTokenIssuer } from '../identity/issuer.ts'
import type { MachineTokens } from '../identity/machine-token.ts'
import { principalOfAccessToken } from '../identity/principal.ts'
import type { RefusalNotes } from '../identity/refusal-notes.ts'
import { checkX509SignIn } from '../identity/x509-sign-in.ts'
import type { Log } from '../log.ts'
import type { Signer } from '../model.ts'
import type { AuthenticationParts, PasswordRedeemer } from '../postgres/authentication.ts'
import type { SignInOpener } from '../postgres/authentication-browser.ts'
import type { BearerParts } from '../postgres/authentication-oauth.ts'
import type { CancelKeys } from '../postgres/cancel-keys.ts'
import type { Cleanups } from '../postgres/cleanups.ts'
import type { PostgresEndpoint } from '../postgres/connection.ts'
import { Connections, type PostgresListenerParts, startPostgresListeners } from '../postgres/listener.ts'
import type { RelayEnds, RunningRelay } from '../postgres/passage.ts'
import { MaskedDatabases, type MaskedDatabasesParts } from '../postgres/relay/masked-databases.ts'
import { secretScan } from '../analysis/sql/secret-scan.ts'
import { startRelay } from '../postgres/relay/start.ts'
import type { SessionParts } from '../session/session.ts'
import { trustsIssuer } from './trusted-issuers.ts'

export type PostgresParts = {
  /** The configuration in force. */
  readonly config: () => Config
  /** Whose client certificates sign in now. */
  readonly signInKeys: () => readonly Pick<Signer, 'publicKeyPem'>[]
  readonly session: Omit<SessionParts, 'maxSessionsPerPrincipal'>
  readonly mint: PostgresListenerParts['mint']
  readonly cleanups: Cleanups
  readonly brokerOf: MaskedDatabasesParts['brokerOf']
  readonly passwords: PasswordRedeemer & Pick<ConnectionPasswords, 'onRevoked'>
  readonly machines: Pick<MachineTokens, 'verify'>
  /** Those of this listener alone. */
  readonly waiting: SignInOpener
  readonly notes: Pick<RefusalNotes, 'note'>
  readonly cancels: CancelKeys
  /** Where cancel requests are taken, if not here. */
  readonly takeCancel?: PostgresListenerParts['takeCancel']
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
  const reading = openReading(parts)
  const [main, other] = await startPostgresListeners(
    endpointsOfPostgres(postgres),
    listenerParts(postgres, reading, parts),
  )
  if (main === undefined) return undefined
  return {
    port: main.port,
    oauthPort: other?.port,
    close: async () => {
      await Promise.all([main.close(), other?.close()])
      await reading.grammar.close()
    },
  }
}

/** The same without listening, for what another process has accepted. Throws Fault CONFIG_INVALID without a section `postgres`. */
export function takePostgres(parts: PostgresParts): {
  readonly connections: Connections
  readonly close: () => Promise<void>
} {
  const { postgres } = parts.config()
  if (postgres === undefined) throw new Fault('CONFIG_INVALID', 'There is no section `postgres`.')
  const reading = openReading(parts)
  return {
    connections: new Connections(listenerParts(postgres, reading, parts)),
    close: () => reading.grammar.close(),
  }
}

/** Where to listen; a worker counts them in this order. */
export function endpointsOfPostgres({ listen, oauth }: PostgresConfig): readonly PostgresEndpoint[] {
  return oauth?.listen === undefined ? [listen] : [listen, { ...oauth.listen, oauth: true }]
}

function openReading({ brokerOf, clock, log }: PostgresParts): Reading {
  const grammar = new Grammar()
  grammar.warm()
  return { grammar, maskedDatabases: new MaskedDatabases({ brokerOf, grammar, clock, log }) }
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
    cancels: parts.cancels,
    ...(parts.takeCancel === undefined ? {} : { takeCancel: parts.takeCancel }),
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
  const { config, passwords, machines, waiting, notes, audit, clock, log } = parts
  return {
    passwords,
    machines,
    waiting,
    signInTimeoutMs: () => limitsOf(config()).signInTimeoutMs,
    checkCertificate: (der, sourceAddress) =>
      checkX509SignIn(der, {
        authorities: parts.signInKeys(),
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
    notes,
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
