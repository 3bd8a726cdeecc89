/** The shape of the file: every key, its default and how its value is read. Checks across sections: `cross-checks.ts`. */
import { z } from 'zod'
import { analysisFields, reactions } from './analysis-schema.ts'
import { maxAuditorKeys, readAuditorKey } from './auditor-key.ts'
import {
  parseEndpoint,
  parseHttpsUrl,
  parseLogin,
  parseName,
  parseOrigin,
  parsePublicKey,
  parseSyslogUrl,
} from './values.ts'
import { parseForwardRule } from './forward-rule.ts'
import { isTimeZone, parseHours } from './hours.ts'
import { parseNetwork } from './network.ts'
import { notifySchema } from './notify-schema.ts'
import { postgresRecording, postgresRule, postgresSection, postgresTarget } from './postgres-schema.ts'
import { durability } from './durability-schema.ts'
import { type Reading, unreadable } from './reading.ts'
import { count, duration, host, labels, listOf, parseText, reading, size, text } from './schema-values.ts'
import { readPublicFile, readSecret, type SecretSources } from './secret-reference.ts'
import { defaultSshLimits } from './ssh-limits.ts'
import { storeSchema } from './storage-schema.ts'
import { parseDuration } from './units.ts'

/** Every exec pattern is tried on every exec request. */
const MAX_PATTERN_LENGTH = 1000
/** A week: hours are looked ahead that far, and nobody works longer without signing in. */
const MAX_SESSION_MS = 7 * 86_400_000

const hours = () =>
  reading(value => (typeof value === 'string' ? parseHours(value) : unreadable('must be text')))
const network = () =>
  reading(value => {
    const parsed = typeof value === 'string' ? parseNetwork(value) : unreadable('must be text')
    return parsed.ok ? { ok: true, value: String(value) } : parsed
  })
const address = () =>
  reading(value => {
    const parsed = typeof value === 'string' && !value.includes('/') ? parseNetwork(value) : unreadable('')
    return parsed.ok ? { ok: true, value: String(value) } : unreadable('must be an IP address')
  })

/** Verified e-mail addresses are compared with these, in which only the case of ASCII letters is ignored. */
function parseEmail(value: unknown): Reading<string> {
  const parsed = parseText(value)
  return !parsed.ok || /^[^@\s]+@[^@\s]+$/.test(parsed.value)
    ? parsed
    : unreadable('must be an e-mail address')
}

function parsePattern(value: unknown): Reading<string> {
  if (typeof value !== 'string') return unreadable('must be text', 'put it in quotes')
  if (value.trim() === '' || value.length > MAX_PATTERN_LENGTH || /[\p{C}\p{Zl}\p{Zp}]/u.test(value))
    return unreadable(`must be one line of at most ${MAX_PATTERN_LENGTH} characters`)
  return /^[*?]/.test(value.trimStart())
    ? unreadable('must not start with a wildcard, which would let the person choose the program')
    : { ok: true, value }
}

/** A list of one may be written without its brackets. */
const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.preprocess(
    value => (value === undefined || Array.isArray(value) ? value : [value]),
    listOf(item).default([]),
  )

const targetMatch = z
  .strictObject({
    name: text().optional(),
    protocol: z.enum(['ssh', 'postgres']).optional(),
    labels: labels.optional(),
  })
  .refine(match => Object.keys(match).length > 0 && Object.keys(match.labels ?? { any: 1 }).length > 0, {
    message: 'must say which targets',
    params: { suggestion: 'write { protocol: ssh } for all of them' },
  })

const sshLimits = z
  .strictObject({
    firstRequestTimeout: duration().default(defaultSshLimits.firstRequestTimeoutMs),
    loginGrace: duration().default(defaultSshLimits.loginGraceMs),
    maxAuthenticationAttempts: count(defaultSshLimits.maxAuthenticationAttempts),
    maxUnauthenticatedConnections: count(defaultSshLimits.maxUnauthenticatedConnections),
    maxUnauthenticatedPerSource: count(defaultSshLimits.maxUnauthenticatedPerSource),
    randomDropFrom: count(defaultSshLimits.randomDropFrom),
    randomDropPercent: z.int().min(1).max(100).default(defaultSshLimits.randomDropPercent),
    maxWaitingSignInsPerSource: count(defaultSshLimits.maxWaitingSignInsPerSource),
    maxWaitingSignIns: count(defaultSshLimits.maxWaitingSignIns),
    signInCodeLifetime: duration().default(defaultSshLimits.signInCodeLifetimeMs),
    maxChannelsPerConnection: count(defaultSshLimits.maxChannelsPerConnection),
    maxSessionsPerPrincipal: count(defaultSshLimits.maxSessionsPerPrincipal),
    rekeyAfterSize: size().default(defaultSshLimits.rekeyAfterBytes),
    rekeyAfterTime: duration().default(defaultSshLimits.rekeyAfterMs),
    keyExchangeTimeout: duration().default(defaultSshLimits.keyExchangeTimeoutMs),
    maxQueued: size().default(defaultSshLimits.maxQueuedBytes),
    upstreamTimeout: duration().default(defaultSshLimits.upstreamTimeoutMs),
    keepAliveInterval: duration().default(defaultSshLimits.keepAliveIntervalMs),
  })
  .refine(limits => limits.loginGrace > limits.signInCodeLifetime, {
    path: ['loginGrace'],
    message: 'must be longer than signInCodeLifetime, or the connection closes while the person signs in',
  })

const sessions = z.strictObject({
  max: duration(MAX_SESSION_MS).optional(),
  idle: duration(MAX_SESSION_MS).optional(),
})

const forward = z
  .strictObject({
    to: listOf(reading(parseForwardRule)).optional(),
    from: listOf(reading(parseForwardRule)).optional(),
  })
  .refine(places => places.to !== undefined || places.from !== undefined, {
    message: 'must say where forwards may lead',
    params: { suggestion: 'write { to: ["localhost:*"] }, or leave it out, which means the same' },
  })

const allowRule = z
  .strictObject({
    targets: targetMatch,
    logins: listOf(reading(parseLogin)),
    sessions: sessions.prefault({}),
    when: z.strictObject({ hours: hours().optional(), from: listOf(network()).optional() }).prefault({}),
    channels: listOf(z.enum(['shell', 'exec', 'sftp', 'forward', 'agent'])).optional(),
    exec: listOf(reading(parsePattern)).optional(),
    forward: forward.optional(),
    files: z.enum(['hash', 'copy']).optional(),
    zmodem: z.enum(['allow', 'deny']).optional(),
    breakGlass: z.boolean().default(false),
    ...postgresRule,
  })
  .refine(
    rule => rule.exec === undefined || rule.channels === undefined || String(rule.channels) === 'exec',
    {
      path: ['channels'],
      message: 'must be left out beside `exec`, which allows exec requests and nothing else',
    },
  )
  .refine(rule => rule.forward === undefined || rule.channels?.includes('forward') === true, {
    path: ['forward'],
    message: 'says where forwards may lead, but `channels` does not allow any',
    params: { suggestion: 'add `forward` to channels: [shell, exec, sftp, forward]' },
  })

const role = z.strictObject({
  members: z
    .strictObject({ groups: listOf(text()).default([]), emails: listOf(reading(parseEmail)).default([]) })
    .refine(members => members.groups.length + members.emails.length > 0, {
      message: 'must name groups or emails',
    }),
  sessions: sessions.prefault({}),
  allow: oneOrMore(allowRule),
  review: oneOrMore(z.strictObject({ targets: targetMatch })),
  on: reactions,
})

const sshTarget = z
  .strictObject({
    name: reading(parseName),
    protocol: z.literal('ssh'),
    address: reading(value => parseEndpoint(value, { defaultPort: 22 })),
    labels: labels.default({}),
    hostKeys: z.union([z.literal('first-use'), listOf(reading(parsePublicKey))]).optional(),
    hostAuthorities: listOf(reading(parsePublicKey)).default([]),
    sourceAddress: address().optional(),
    marks: z.boolean().default(false),
  })
  .refine(target => target.hostKeys !== undefined || target.hostAuthorities.length > 0, {
    message: 'does not say how the target proves itself',
    params: { suggestion: 'add hostKeys: ["ssh-ed25519 AAAA…"], hostAuthorities, or hostKeys: first-use' },
  })

const timeZone = () =>
  reading(value =>
    typeof value === 'string' && isTimeZone(value)
      ? { ok: true, value }
      : unreadable('must be the name of a time zone, such as Europe/Berlin or UTC'),
  )

const untilMidnight = 'until-midnight'

/** A word, or how long. */
function parseEnrolmentTime(value: unknown): Reading<typeof untilMidnight | number> {
  if (value === untilMidnight) return { ok: true, value }
  const ms = parseDuration(value)
  return ms.ok ? ms : unreadable(`must be \`${untilMidnight}\` or a duration such as 8h`)
}

/** A container may have none, or an empty one. */
function hostTimeZone(): string {
  const { timeZone: zone } = Intl.DateTimeFormat().resolvedOptions()
  return isTimeZone(zone) ? zone : 'UTC'
}

const enrolledKeys = z.strictObject({
  enabled: z.boolean().default(true),
  for: reading(parseEnrolmentTime).prefault(untilMidnight),
  timeZone: timeZone().prefault(hostTimeZone),
  accept: z.enum(['any', 'fido', 'fido-verified']).default('any'),
  ipv4Prefix: z.int().min(1).max(32).default(24),
  ipv6Prefix: z.int().min(1).max(128).default(64),
})

/** Without a bound claim, whoever has an account at a public issuer would be this machine. */
const machine = z.strictObject({
  issuer: reading(parseHttpsUrl),
  audience: text(),
  bound: z.record(z.string(), text()).refine(bound => Object.keys(bound).length > 0, {
    message: 'must bind at least one claim',
    params: { suggestion: 'add { sub: … } or the claim that names the repository' },
  }),
  name: text(),
  groups: listOf(text()).default([]),
  session: duration(MAX_SESSION_MS).optional(),
})

/** A hundred years: longer is a slip of the finger. */
const MAX_RETENTION_MS = 36_525 * 86_400_000
/** Each is tried on each session at each run. */
const MAX_RETENTION_RULES = 100

const age = () => duration(MAX_RETENTION_MS).optional()
const retentionRule = z
  .strictObject({ targets: targetMatch.optional(), min: age(), max: age() })
  .refine(rule => rule.min !== undefined || rule.max !== undefined, {
    message: 'must say `min`, `max` or both',
  })
  .refine(rule => rule.min === undefined || rule.max === undefined || rule.min <= rule.max, {
    path: ['min'],
    message: 'must not be longer than `max`',
  })
/** A duration alone is the age at which everything goes. */
const retention = z.preprocess(
  value => (typeof value === 'string' || typeof value === 'number' ? [{ max: value }] : value),
  z.array(retentionRule).max(MAX_RETENTION_RULES).default([]),
)

/** Whoever may read recordings; nobody twice. One may be written without its brackets. */
const auditorKeys = (sources: SecretSources) =>
  oneOrMore(reading(value => readAuditorKey(value, sources))).superRefine((keys, context) => {
    if (keys.length > maxAuditorKeys)
      context.addIssue({ code: 'custom', message: `must name at most ${maxAuditorKeys} keys` })
    if (sources.withoutSecrets === true) return
    for (const [index, { kid }] of keys.entries())
      if (keys.findIndex(key => key.kid === kid) < index)
        context.addIssue({ code: 'custom', path: [index], message: 'is the same key as one before it' })
  })

/** Each checkpoint of the log of sessions goes to all of them. */
const MAX_PLACES = 20

/** The whole file. References to secrets are resolved while it is read. */
export function configSchema(sources: SecretSources) {
  const listen = reading(value => parseEndpoint(value, { allowAnyPort: true }))
  const secret = () => reading(value => readSecret(value, sources))
  return z.strictObject({
    gateway: z.strictObject({ name: host(), data: text(), keys: text().optional() }),
    ssh: z.strictObject({ listen, limits: sshLimits.prefault({}) }).optional(),
    postgres: postgresSection(sources).optional(),
    web: z
      .strictObject({
        listen,
        url: reading(parseOrigin),
        tls: z
          .strictObject({ certificate: reading(value => readPublicFile(value, sources)), key: secret() })
          .optional(),
        behindProxy: z.boolean().default(false),
        metrics: z.strictObject({ token: secret() }).optional(),
        bearer: z
          .strictObject({
            audience: text(),
            clientId: text().optional(),
            scope: text().default('openid'),
            introspection: z
              .strictObject({ endpoint: reading(parseHttpsUrl), clientId: text(), clientSecret: secret() })
              .optional(),
          })
          .optional(),
      })
      .optional(),
    identity: z.strictObject({
      issuer: reading(parseHttpsUrl),
      clientId: text(),
      clientSecret: secret().optional(),
      claims: z
        .strictObject({ name: text().default('email'), groups: text().default('groups') })
        .prefault({}),
      session: duration().prefault('8h'),
      enrolledKeys: enrolledKeys.prefault({}),
      machines: z.array(machine).default([]),
    }),
    targets: listOf(z.discriminatedUnion('protocol', [sshTarget, postgresTarget(sources)])),
    roles: z.record(z.string(), role),
    log: z
      .strictObject({
        publish: z
          .array(
            z.union([
              z.strictObject({ file: text() }),
              z.strictObject({ webhook: reading(parseHttpsUrl), secret: secret() }),
              z.strictObject({ witness: reading(parseHttpsUrl), key: text() }),
              z.strictObject({
                syslog: reading(parseSyslogUrl),
                authority: reading(value => readPublicFile(value, sources)).optional(),
              }),
            ]),
          )
          .max(MAX_PLACES)
          .default([]),
      })
      .prefault({}),
    analysis: z.strictObject(analysisFields).prefault({}),
    notify: notifySchema(sources),
    recording: z
      .strictObject({
        folder: text().optional(),
        store: storeSchema(sources),
        keepOutput: size().prefault('64MiB'),
        forwards: z.enum(['metadata', 'content']).default('metadata'),
        files: z.enum(['hash', 'copy']).default('hash'),
        copyBytes: size().prefault('16MiB'),
        copySessionBytes: size().prefault('256MiB'),
        retention,
        encryptTo: auditorKeys(sources),
        ...durability,
        ...postgresRecording,
      })
      .prefault({}),
  })
}

export type ConfigFile = z.output<ReturnType<typeof configSchema>>
