/** The keys of PostgreSQL: its listener, its targets, and what only rules for it say. */
import { z } from 'zod'
import { denyWords, isDenyWord } from './deny-words.ts'
import { isLoopback } from './network.ts'
import { defaultPostgresLimits, maxPostgresWorkers } from './postgres-limits.ts'
import { type Reading, read, unreadable } from './reading.ts'
import { parseColumnPattern, parseSensitivePattern, parseTablePattern } from './relation-pattern.ts'
import { count, duration, host, labels, listOf, reading, size, text } from './schema-values.ts'
import { readPublicFile, readSecret, type SecretSources } from './secret-reference.ts'
import { didYouMean } from './suggest.ts'
import { parseEndpoint, parseHttpsUrl, parseName } from './values.ts'

const POSTGRES_PORT = 5432
/** Longer ones are a slip of the finger; the server's own limit for a message is 1 GiB. */
const MAX_MESSAGE_BYTES = 1024 ** 3
/** Rows kept of each result. */
const MAX_KEPT_ROWS = 10_000
const MAX_PATTERN_LENGTH = 200
/** A day of connections without another sign-in is what a browser sign-in gives. */
const MAX_PASSWORD_MS = 24 * 3_600_000
const MAX_PASSWORD_CONNECTIONS = 1000

const postgresLimits = z.strictObject({
  startupTimeout: duration().default(defaultPostgresLimits.startupTimeoutMs),
  signInTimeout: duration().default(defaultPostgresLimits.signInTimeoutMs),
  maxUnauthenticatedConnections: count(defaultPostgresLimits.maxUnauthenticatedConnections),
  maxUnauthenticatedPerSource: count(defaultPostgresLimits.maxUnauthenticatedPerSource),
  maxWaitingSignIns: count(defaultPostgresLimits.maxWaitingSignIns),
  maxWaitingSignInsPerSource: count(defaultPostgresLimits.maxWaitingSignInsPerSource),
  maxSessionsPerPrincipal: count(defaultPostgresLimits.maxSessionsPerPrincipal),
  maxMessage: size(MAX_MESSAGE_BYTES).default(defaultPostgresLimits.maxMessageBytes),
  maxQueued: size().default(defaultPostgresLimits.maxQueuedBytes),
  maxOutstandingRequests: count(defaultPostgresLimits.maxOutstandingRequests),
  maxStatements: count(defaultPostgresLimits.maxStatements),
  cancelsPerMinutePerSource: count(defaultPostgresLimits.cancelsPerMinutePerSource),
  upstreamTimeout: duration().default(defaultPostgresLimits.upstreamTimeoutMs),
  keepAliveInterval: duration().default(defaultPostgresLimits.keepAliveIntervalMs),
})

/** The section `postgres`. */
export function postgresSection(sources: SecretSources) {
  const listen = reading(value => parseEndpoint(value, { allowAnyPort: true }))
  const secret = () => reading(value => readSecret(value, sources))
  return z.strictObject({
    listen,
    tls: z
      .strictObject({ certificate: reading(value => readPublicFile(value, sources)), key: secret() })
      .optional(),
    serverName: host().optional(),
    browserSignIn: z.boolean().default(true),
    limits: postgresLimits.prefault({}),
    workers: z.int().min(0).max(maxPostgresWorkers).default(0),
    oauth: z
      .strictObject({
        serverName: host().optional(),
        listen: listen.optional(),
        issuer: reading(parseHttpsUrl),
        clientId: text().optional(),
        audience: text(),
        scope: text().default('openid'),
        introspection: z
          .strictObject({ endpoint: reading(parseHttpsUrl), clientId: text(), clientSecret: secret() })
          .optional(),
      })
      .refine(oauth => oauth.serverName !== undefined || oauth.listen !== undefined, {
        message: 'does not say which connections it is for',
        params: { suggestion: 'add serverName or listen: clients that are offered passwords too take those' },
      })
      .optional(),
  })
}

const tlsModes = ['verify-full', 'verify-ca', 'pinned', 'off'] as const

/** A mode in one word stands for a map with nothing else. */
function modeAlone(mode: string, context: z.core.$RefinementCtx): unknown {
  if (tlsModes.some(known => known === mode)) return { mode }
  const message = `must be ${tlsModes.map(known => `\`${known}\``).join(' or ')}, or a map with \`mode\``
  context.issues.push({ code: 'custom', message, input: mode })
  return z.NEVER
}

/** `sha256 Fingerprint=AB:CD:…` as openssl prints it, or the digits alone. */
function parseFingerprint(value: unknown): Reading<string> {
  const digits = typeof value === 'string' ? value.replace(/^.*=/, '').replaceAll(':', '').toLowerCase() : ''
  return /^[0-9a-f]{64}$/.test(digits)
    ? read(digits)
    : unreadable(
        'must be the SHA-256 of a certificate: 64 hexadecimal digits',
        'openssl x509 -noout -fingerprint -sha256 prints it',
      )
}

/** Whatever the server lets a role be called, but nothing that a log or a terminal would read differently. */
function parseRoleOrDatabase(value: unknown): Reading<string> {
  return typeof value === 'string' && /^[^\p{C}\p{Zl}\p{Zp}]{1,63}$/u.test(value)
    ? read(value)
    : unreadable('must be a name of at most 63 characters')
}

/** A target that speaks PostgreSQL. */
export function postgresTarget(sources: SecretSources) {
  const publicFile = () => reading(value => readPublicFile(value, sources))
  const tls = z
    .strictObject({
      mode: z.enum(tlsModes),
      authority: publicFile().optional(),
      fingerprints: listOf(reading(parseFingerprint)).optional(),
      serverName: host().optional(),
    })
    .refine(({ mode, fingerprints }) => (mode === 'pinned') === (fingerprints !== undefined), {
      message: 'says `pinned` or `fingerprints`, and one needs the other',
    })
    .refine(({ mode, authority }) => mode !== 'verify-ca' || authority !== undefined, {
      message: 'says `verify-ca` without an authority, so that any server on the internet could pass',
      params: { suggestion: 'add authority: file:/path/of/ca.pem, or say verify-full' },
    })
    .refine(
      ({ mode, authority }) => authority === undefined || mode === 'verify-ca' || mode === 'verify-full',
      {
        path: ['authority'],
        message: 'is not looked at in this mode',
      },
    )
  const broker = z
    .strictObject({
      user: reading(parseRoleOrDatabase),
      database: reading(parseRoleOrDatabase).prefault('postgres'),
      password: reading(value => readSecret(value, sources)).optional(),
      certificate: publicFile().optional(),
      key: reading(value => readSecret(value, sources)).optional(),
    })
    .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
      message: 'needs both `certificate` and `key`, or neither',
    })
    .refine(({ password, certificate }) => password !== undefined || certificate !== undefined, {
      message: 'does not say how the broker signs in',
      params: { suggestion: 'add password: env:NAME, or certificate and key' },
    })
  return z
    .strictObject({
      name: reading(parseName),
      protocol: z.literal('postgres'),
      address: reading(value => parseEndpoint(value, { defaultPort: POSTGRES_PORT })),
      labels: labels.default({}),
      tls: z
        .preprocess((value, context) => (typeof value === 'string' ? modeAlone(value, context) : value), tls)
        .prefault('verify-full'),
      broker: broker.optional(),
      connector: z.enum(['role', 'certificate']).default('role'),
      sensitive: listOf(reading(parseSensitivePattern)).default([]),
      databases: listOf(reading(parseRoleOrDatabase)).optional(),
    })
    .refine(target => target.tls.mode !== 'off' || isLoopback(target.address.host), {
      path: ['tls'],
      message: 'may be off only where `address` is this machine itself',
    })
    .refine(target => target.connector === 'certificate' || target.broker !== undefined, {
      message: 'has no broker, so nobody could make a role for a session',
      params: { suggestion: 'add broker: { user, password }; `sallyport targets setup NAME` prints its SQL' },
    })
    .refine(target => target.connector === 'role' || target.tls.mode !== 'off', {
      path: ['tls'],
      message: 'is off, but a client certificate needs TLS',
    })
}

function parseDenyWord(value: unknown): Reading<string> {
  if (typeof value === 'string' && isDenyWord(value)) return read(value)
  const words = Object.keys(denyWords)
  const near = typeof value === 'string' ? didYouMean(value, words) : undefined
  return unreadable('must be a kind of statement that the documentation lists', near)
}

function parseMaskPattern(value: unknown): Reading<string> {
  return typeof value === 'string' &&
    value.replaceAll('*', '') !== '' &&
    value.length <= MAX_PATTERN_LENGTH &&
    !/[\p{C}\p{Zl}\p{Zp}]/u.test(value)
    ? read(value)
    : unreadable(`must be one line of at most ${MAX_PATTERN_LENGTH} characters, not of * alone`)
}

/** `head:20` or `none`. */
function parseResults(value: unknown): Reading<number> {
  if (value === 'none') return read(0)
  const rows = typeof value === 'string' ? Number(/^head:(\d{1,6})$/.exec(value)?.[1]) : Number.NaN
  return rows >= 1 && rows <= MAX_KEPT_ROWS
    ? read(rows)
    : unreadable(`must be \`none\` or head:N, with N from 1 to ${MAX_KEPT_ROWS}`)
}

/** What allow rules say of PostgreSQL alone. */
export const postgresRule = {
  deny: z
    .strictObject({
      statements: listOf(reading(parseDenyWord)).default([]),
      tables: listOf(reading(parseTablePattern)).default([]),
    })
    .refine(deny => deny.statements.length + deny.tables.length > 0, {
      message: 'must name statements or tables',
    })
    .optional(),
  mask: listOf(
    z.strictObject({
      columns: listOf(reading(parseColumnPattern)),
      with: z.enum(['last4', 'null', 'hash', 'redact']),
    }),
  ).optional(),
  replication: z.boolean().optional(),
  passwords: z
    .strictObject({
      for: duration(MAX_PASSWORD_MS),
      connections: z.int().min(1).max(MAX_PASSWORD_CONNECTIONS),
    })
    .optional(),
}

/** What recordings say of PostgreSQL alone. */
export const postgresRecording = {
  results: reading(parseResults).prefault('none'),
  maskPatterns: listOf(reading(parseMaskPattern)).default([]),
}
