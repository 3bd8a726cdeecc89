import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type {
  AllowRule,
  CheckpointPlace,
  Config,
  MachineConfig,
  PostgresConfig,
  PostgresLimits,
  PostgresTarget,
  RetentionRule,
  Role,
  S3StoreConfig,
  SshLimits,
  SshTarget,
  Target,
  TargetMatch,
} from './config.ts'
import { findingsConfigOf, reactionOf } from './analysis-schema.ts'
import { crossCheck, type Issue } from './cross-checks.ts'
import { type Path, YamlFile } from './document.ts'
import { explainIssue, knownKeys } from './explain-issue.ts'
import { defaultForwardRules } from './forward-rule.ts'
import { durabilityOf } from './durability-schema.ts'
import { freezeDeep } from './freeze.ts'
import { notifySinksOf } from './notify-schema.ts'
import { policyTextIn } from './policy-text.ts'
import type { Problem } from './problem.ts'
import { type ConfigFile, configSchema } from './schema.ts'
import type { SecretSources } from './secret-reference.ts'
import { storeOf } from './storage-schema.ts'
import { syslogServerOf } from './syslog-server.ts'
import { isLoopbackHttp } from './values.ts'

/** `content` is the file that was read. */
export type LoadedConfig =
  | { ok: true; config: Config; content: Buffer }
  | { ok: false; problems: readonly Problem[] }

/** A working day with a margin; whoever needs longer opens another session. */
const DEFAULT_SESSION_MAX_MS = 8 * 3_600_000
const DEFAULT_SESSION_IDLE_MS = 30 * 60_000
/** Forwarding and the agent reach beyond the target, so they are off unless said. */
const DEFAULT_CHANNELS: AllowRule['channels'] = ['shell', 'exec', 'sftp']

/**
 * Reads and checks a configuration file and the secrets that it refers to. All or nothing: the result is a complete,
 * frozen Config, or every problem that was found. Refuses instead of throwing, also for a file that cannot be read. `content`: the
 * file as somebody has read it before.
 */
export function loadConfig(
  file: string,
  env: NodeJS.ProcessEnv = process.env,
  { content, ...options }: { withoutSecrets?: boolean; content?: Buffer } = {},
): LoadedConfig {
  const absolute = resolve(file)
  const bytes = content ?? readBytes(absolute)
  if (typeof bytes === 'string') return { ok: false, problems: [problemAtStart(absolute, bytes)] }
  const yaml = YamlFile.parse(bytes)
  if (yaml instanceof YamlFile) {
    const checked = checkFile(absolute, yaml, { env, folder: dirname(absolute), ...options })
    return checked.ok ? { ...checked, content: bytes } : checked
  }
  const problems = yaml.map(problem => ({ ...problem, file: absolute, path: '', suggestion: undefined }))
  return { ok: false, problems }
}

type Checked = { ok: true; config: Config } | { ok: false; problems: readonly Problem[] }

function checkFile(file: string, yaml: YamlFile, sources: SecretSources): Checked {
  const schema = configSchema(sources)
  const parsed = schema.safeParse(yaml.value)
  const keysAt = knownKeys(schema)
  const fromSchema = parsed.success
    ? []
    : parsed.error.issues.flatMap(issue => explainIssue(issue, yaml, keysAt))
  const issues = [...fromSchema, ...crossCheck(yaml.value, sources)]
  if (parsed.success && issues.length === 0)
    return { ok: true, config: freezeDeep(build(file, yaml, parsed.data)) }
  return { ok: false, problems: inFileOrder(issues.map(issue => problemOf(file, yaml, issue))) }
}

function problemOf(file: string, yaml: YamlFile, { path, message, suggestion, atKey }: Issue): Problem {
  const last = path.at(-1)
  const position =
    atKey === true && typeof last === 'string'
      ? yaml.positionOfKey(path.slice(0, -1), last)
      : yaml.positionOf(path)
  return { file, ...position, path: pathText(yaml.asWritten(path)), message, suggestion }
}

/** `targets[0].hostKeys[1]`. */
function pathText(path: Path): string {
  return path
    .map(step => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
}

function inFileOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

function problemAtStart(file: string, message: string): Problem {
  return { file, line: 1, column: 1, path: '', message, suggestion: undefined }
}

function readBytes(file: string): Buffer | string {
  try {
    return readFileSync(file)
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown reason'
    return `the configuration file cannot be read (${code})`
  }
}

function build(file: string, yaml: YamlFile, parsed: ConfigFile): Config {
  const data = resolve(dirname(file), parsed.gateway.data)
  const { ssh, postgres, web, identity, recording } = parsed
  return {
    file,
    gateway: { name: parsed.gateway.name, data, ...keysOf(file, parsed) },
    ...(ssh === undefined ? {} : { ssh: { listen: ssh.listen, limits: limitsOf(ssh.limits) } }),
    ...(postgres === undefined ? {} : { postgres: postgresOf(postgres, parsed.gateway.name) }),
    ...(web === undefined ? {} : { web: webOf(web) }),
    identity: identityOf(identity),
    targets: parsed.targets.map(targetOf),
    roles: Object.entries(parsed.roles).map(([name, role]) => roleOf(name, role, yaml)),
    policyVersion: policyTextIn(yaml.value).version,
    log: { publish: parsed.log.publish.map(place => placeOf(place, dirname(file))) },
    notify: notifySinksOf(parsed.notify, dirname(file)),
    analysis: findingsConfigOf(parsed.analysis, dirname(file)),
    recording: {
      folder:
        recording.folder === undefined ? join(data, 'recordings') : resolve(dirname(file), recording.folder),
      ...storedIn(recording.store),
      ...durabilityOf(recording),
      keepOutputBytes: recording.keepOutput,
      forwards: recording.forwards,
      files: recording.files,
      copyBytes: recording.copyBytes,
      copySessionBytes: recording.copySessionBytes,
      results: recording.results,
      maskPatterns: recording.maskPatterns,
      retention: recording.retention.map((rule, index) => retentionRuleOf(rule, index, yaml)),
      encryptTo: recording.encryptTo,
    },
  }
}

function storedIn(store: ConfigFile['recording']['store']): { s3?: S3StoreConfig } {
  const s3 = storeOf(store)
  return s3 === undefined ? {} : { s3 }
}

function retentionRuleOf(
  { targets, min, max }: ConfigFile['recording']['retention'][number],
  index: number,
  yaml: YamlFile,
): RetentionRule {
  return {
    ...(targets === undefined ? {} : { targets: matchOf(targets) }),
    ...(min === undefined ? {} : { minMs: min }),
    ...(max === undefined ? {} : { maxMs: max }),
    line: yaml.positionOf(['recording', 'retention', index]).line,
  }
}

function placeOf(place: ConfigFile['log']['publish'][number], folder: string): CheckpointPlace {
  if ('file' in place) return { kind: 'file', path: resolve(folder, place.file) }
  if ('webhook' in place) return { kind: 'webhook', url: place.webhook, secret: place.secret }
  if ('syslog' in place)
    return { kind: 'syslog', server: syslogServerOf(place.syslog, place.authority?.reveal()) }
  return { kind: 'witness', url: place.witness.replace(/\/$/, ''), key: place.key }
}

function limitsOf(limits: NonNullable<ConfigFile['ssh']>['limits']): SshLimits {
  return {
    firstRequestTimeoutMs: limits.firstRequestTimeout,
    loginGraceMs: limits.loginGrace,
    maxAuthenticationAttempts: limits.maxAuthenticationAttempts,
    maxUnauthenticatedConnections: limits.maxUnauthenticatedConnections,
    maxUnauthenticatedPerSource: limits.maxUnauthenticatedPerSource,
    randomDropFrom: limits.randomDropFrom,
    randomDropPercent: limits.randomDropPercent,
    maxWaitingSignInsPerSource: limits.maxWaitingSignInsPerSource,
    maxWaitingSignIns: limits.maxWaitingSignIns,
    signInCodeLifetimeMs: limits.signInCodeLifetime,
    maxChannelsPerConnection: limits.maxChannelsPerConnection,
    maxSessionsPerPrincipal: limits.maxSessionsPerPrincipal,
    rekeyAfterBytes: limits.rekeyAfterSize,
    rekeyAfterMs: limits.rekeyAfterTime,
    keyExchangeTimeoutMs: limits.keyExchangeTimeout,
    maxQueuedBytes: limits.maxQueued,
    upstreamTimeoutMs: limits.upstreamTimeout,
    keepAliveIntervalMs: limits.keepAliveInterval,
  }
}

function identityOf({ session, ...identity }: ConfigFile['identity']): Config['identity'] {
  const { issuer, clientId, clientSecret, claims, enrolledKeys, machines } = identity
  return {
    issuer,
    clientId,
    ...(clientSecret === undefined ? {} : { clientSecret }),
    claims,
    sessionMs: session,
    allowHttpIssuer: isLoopbackHttp(issuer),
    enrolledKeys,
    machines: machines.map(machineOf),
  }
}

function machineOf({ session, ...machine }: ConfigFile['identity']['machines'][number]): MachineConfig {
  const allowHttpIssuer = isLoopbackHttp(machine.issuer)
  return { ...machine, ...(session === undefined ? {} : { sessionMs: session }), allowHttpIssuer }
}

type FilePostgres = NonNullable<ConfigFile['postgres']>

/** Beside the file, like all paths in it. */
function keysOf(file: string, { gateway: { keys } }: ConfigFile): { keys?: string } {
  return keys === undefined ? {} : { keys: resolve(dirname(file), keys) }
}

function postgresOf(postgres: FilePostgres, gatewayName: string): PostgresConfig {
  const { listen, tls, serverName = gatewayName, browserSignIn, limits, workers, oauth } = postgres
  return {
    listen,
    ...(tls === undefined ? {} : { tls }),
    serverName,
    browserSignIn,
    workers,
    limits: postgresLimitsOf(limits),
    ...(oauth === undefined
      ? {}
      : { oauth: { ...withoutUndefined(oauth), allowHttpIssuer: isLoopbackHttp(oauth.issuer) } }),
  }
}

function postgresLimitsOf(limits: FilePostgres['limits']): PostgresLimits {
  return {
    startupTimeoutMs: limits.startupTimeout,
    signInTimeoutMs: limits.signInTimeout,
    maxUnauthenticatedConnections: limits.maxUnauthenticatedConnections,
    maxUnauthenticatedPerSource: limits.maxUnauthenticatedPerSource,
    maxWaitingSignIns: limits.maxWaitingSignIns,
    maxWaitingSignInsPerSource: limits.maxWaitingSignInsPerSource,
    maxSessionsPerPrincipal: limits.maxSessionsPerPrincipal,
    maxMessageBytes: limits.maxMessage,
    maxQueuedBytes: limits.maxQueued,
    maxOutstandingRequests: limits.maxOutstandingRequests,
    maxStatements: limits.maxStatements,
    cancelsPerMinutePerSource: limits.cancelsPerMinutePerSource,
    upstreamTimeoutMs: limits.upstreamTimeout,
    keepAliveIntervalMs: limits.keepAliveInterval,
  }
}

type FileTarget = ConfigFile['targets'][number]
type FileOf<P> = Extract<FileTarget, { protocol: P }>

function targetOf(target: FileTarget): Target {
  return target.protocol === 'ssh' ? sshTargetOf(target) : postgresTargetOf(target)
}

function sshTargetOf(target: FileOf<'ssh'>): SshTarget {
  const { name, protocol, address, labels, hostKeys = [], hostAuthorities, sourceAddress, marks } = target
  return {
    name,
    protocol,
    ...address,
    labels,
    hostKeys,
    hostAuthorities,
    ...(sourceAddress === undefined ? {} : { sourceAddress }),
    ...(marks ? { marks } : {}),
  }
}

function postgresTargetOf(target: FileOf<'postgres'>): PostgresTarget {
  const { name, protocol, address, labels, tls, broker, connector, sensitive, databases } = target
  const authority = tls.authority?.reveal()
  return {
    name,
    protocol,
    ...address,
    labels,
    tls: withoutUndefined({ ...tls, authority }),
    ...(broker === undefined
      ? {}
      : { broker: withoutUndefined({ ...broker, certificate: broker.certificate?.reveal() }) }),
    connector,
    sensitive,
    ...(databases === undefined ? {} : { databases }),
  }
}

type FileRole = ConfigFile['roles'][string]
type FileRule = FileRole['allow'][number]

function roleOf(name: string, role: FileRole, yaml: YamlFile): Role {
  const lineOf = (kind: string, index: number) => yaml.positionOf(['roles', name, kind, index]).line
  return {
    name,
    members: role.members,
    allow: role.allow.map((rule, index) => allowRuleOf(rule, role, lineOf('allow', index))),
    review: role.review.map(({ targets }, index) => ({
      targets: matchOf(targets),
      line: lineOf('review', index),
    })),
    ...(role.on.length === 0
      ? {}
      : { on: role.on.map((rule, index) => reactionOf(rule, lineOf('on', index))) }),
  }
}

function allowRuleOf(rule: FileRule, role: FileRole, line: number): AllowRule {
  return {
    targets: matchOf(rule.targets),
    logins: rule.logins,
    sessions: {
      maxMs: rule.sessions.max ?? role.sessions.max ?? DEFAULT_SESSION_MAX_MS,
      idleMs: rule.sessions.idle ?? role.sessions.idle ?? DEFAULT_SESSION_IDLE_MS,
    },
    when: withoutUndefined(rule.when),
    channels: rule.exec === undefined ? (rule.channels ?? DEFAULT_CHANNELS) : ['exec'],
    ...(rule.exec === undefined ? {} : { exec: rule.exec }),
    ...(rule.forward === undefined
      ? {}
      : { forward: { ...defaultForwardRules, ...withoutUndefined(rule.forward) } }),
    ...(rule.files === undefined ? {} : { files: rule.files }),
    ...(rule.zmodem === undefined ? {} : { zmodem: rule.zmodem }),
    ...(rule.breakGlass ? { breakGlass: true } : {}),
    ...(rule.deny === undefined ? {} : { deny: rule.deny }),
    ...(rule.mask === undefined ? {} : { mask: rule.mask }),
    ...(rule.replication === undefined ? {} : { replication: rule.replication }),
    ...(rule.passwords === undefined
      ? {}
      : { passwords: { forMs: rule.passwords.for, connections: rule.passwords.connections } }),
    line,
  }
}

function matchOf(match: FileRule['targets']): TargetMatch {
  return withoutUndefined(match)
}

type WithoutUndefined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

function webOf({ bearer, ...web }: NonNullable<ConfigFile['web']>): NonNullable<Config['web']> {
  return { ...withoutUndefined(web), ...(bearer === undefined ? {} : { bearer: withoutUndefined(bearer) }) }
}

/** zod leaves optional keys out, or types them as possibly undefined; our types want them left out. */
function withoutUndefined<T extends object>(value: T): WithoutUndefined<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, part]) => part !== undefined),
  ) as WithoutUndefined<T>
}
