/**
 * What a configuration file says once it has been read: total (every default filled in), frozen, and in our own units.
 * Times are milliseconds, sizes are bytes. docs/configuration.md describes the file itself.
 */
import type { ChannelKind, Severity } from '../model.ts'
import type { AuditorPublicKey } from './auditor-key.ts'
import type { ForwardRules } from './forward-rule.ts'
import type { Hours } from './hours.ts'
import type { NotifySink } from './notify-schema.ts'
import type { Secret } from './secret.ts'

/** Where to listen or to connect. Port 0 (only for listeners) lets the system choose. */
export type Endpoint = { readonly host: string; readonly port: number }

/** Everything that the SSH listener counts, waits for or keeps. Defaults and reasons: `ssh-limits.ts`. */
export type SshLimits = {
  readonly firstRequestTimeoutMs: number
  readonly loginGraceMs: number
  readonly maxAuthenticationAttempts: number
  readonly maxUnauthenticatedConnections: number
  readonly maxUnauthenticatedPerSource: number
  readonly randomDropFrom: number
  readonly randomDropPercent: number
  readonly maxWaitingSignInsPerSource: number
  readonly maxWaitingSignIns: number
  readonly signInCodeLifetimeMs: number
  readonly maxChannelsPerConnection: number
  readonly maxSessionsPerPrincipal: number
  readonly rekeyAfterBytes: number
  readonly rekeyAfterMs: number
  readonly keyExchangeTimeoutMs: number
  readonly maxQueuedBytes: number
  readonly upstreamTimeoutMs: number
  readonly keepAliveIntervalMs: number
}

export type SshTarget = {
  readonly name: string
  readonly protocol: 'ssh'
  readonly host: string
  readonly port: number
  readonly labels: Readonly<Record<string, string>>
  /** `algorithm base64`, as in known_hosts without the name; or the first key seen is trusted and then enforced. */
  readonly hostKeys: 'first-use' | readonly string[]
  /** Public keys of host certificate authorities, same form. */
  readonly hostAuthorities: readonly string[]
  /** What the target sees as our address, if that is not the local address of our socket (NAT). */
  readonly sourceAddress?: string
  /** Interactive shells get a nonce in the environment, with which they may tell their commands themselves. */
  readonly marks?: true
}

/** How a PostgreSQL server proves that it is the target. */
export type PostgresTls = {
  /**
   * `verify-full`: chain and name. `verify-ca`: the chain alone. `pinned`: the certificate itself. `off`: only where the
   * configuration names this machine itself.
   */
  readonly mode: 'verify-full' | 'verify-ca' | 'pinned' | 'off'
  /** Certificates in PEM that chains must end in; undefined: those that Node ships. */
  readonly authority?: string
  /** Only with `pinned`: SHA-256 of the certificate (DER), 64 hexadecimal digits in lower case. */
  readonly fingerprints?: readonly string[]
  /** What the certificate must name, if that is not the address's host. */
  readonly serverName?: string
}

/** Who mints and removes roles on the target, and never reads its data. */
export type BrokerConfig = {
  readonly user: string
  readonly database: string
  readonly password?: Secret
  /** In PEM, instead of a password or besides it. */
  readonly certificate?: string
  readonly key?: Secret
}

export type PostgresTarget = {
  readonly name: string
  readonly protocol: 'postgres'
  readonly host: string
  readonly port: number
  readonly labels: Readonly<Record<string, string>>
  readonly tls: PostgresTls
  /** Always there with the connector `role`; with `certificate`, it only helps to end sessions. */
  readonly broker?: BrokerConfig
  /** `role`: a role for each session. `certificate`: a client certificate for each session, and the login is the database's user. */
  readonly connector: 'role' | 'certificate'
  /** `table`, `table.column`, `schema.table.column`; `*` stands for characters of one part. */
  readonly sensitive: readonly string[]
  /** Databases that sessions may open; undefined: any that the target lets them. */
  readonly databases?: readonly string[]
}

export type Target = SshTarget | PostgresTarget

/** All that is said must hold; nothing said is refused when the file is read. */
export type TargetMatch = {
  readonly name?: string
  readonly protocol?: Target['protocol']
  readonly labels?: Readonly<Record<string, string>>
}

/** What never reaches the target. */
export type DenyRules = {
  /** Words of `denyWords` (deny-words.ts). */
  readonly statements: readonly string[]
  /** `table` or `schema.table`; `*` stands for characters of one part. */
  readonly tables: readonly string[]
}

export type MaskKind = 'last4' | 'null' | 'hash' | 'redact'

export type MaskRule = {
  /** `table.column` or `schema.table.column`; `*` stands for characters of one part. */
  readonly columns: readonly string[]
  readonly with: MaskKind
}

/** For so long and so many connections, from one address. */
export type PasswordRule = { readonly forMs: number; readonly connections: number }

/** Of each file that passes: its SHA-256, or its content too. */
export type KeptFiles = 'hash' | 'copy'

export type AllowRule = {
  readonly targets: TargetMatch
  readonly logins: readonly string[]
  readonly sessions: { readonly maxMs: number; readonly idleMs: number }
  /** `from`: networks in CIDR form, checked when the file is read. */
  readonly when: { readonly hours?: Hours; readonly from?: readonly string[] }
  readonly channels: readonly ChannelKind[]
  /** Patterns; if there are any, only exec requests that match one of them are allowed. */
  readonly exec?: readonly string[]
  /** Only with the channel kind `forward`; left out, `defaultForwardRules`. */
  readonly forward?: ForwardRules
  /** What recordings keep of files that pass; left out, what `recording.files` says. */
  readonly files?: KeptFiles
  /** Whether files may pass through a terminal (`sz`, `rz`); left out, they may. */
  readonly zmodem?: 'allow' | 'deny'
  /** Emergency access: each session under it is looked at afterwards. */
  readonly breakGlass?: true
  /** PostgreSQL only, as the three after it. */
  readonly deny?: DenyRules
  readonly mask?: readonly MaskRule[]
  /** Whether connections may ask for replication, which moves whole databases without a statement. */
  readonly replication?: boolean
  /** Passwords from the sign-in page that work more than once. */
  readonly passwords?: PasswordRule
  /** Line in the configuration file, for `explain` and the audit log. */
  readonly line: number
}

export type ReviewRule = { readonly targets: TargetMatch; readonly line: number }

/** What a session does when a deterministic rule was met in it. Baselines never act. */
export type ReactionRule = {
  /** At least so severe; or this rule. One of the two is said. */
  readonly severity?: Severity
  readonly rule?: string
  readonly do: 'end' | 'pause' | 'step-up'
  /** How long a session that is held waits before it ends. */
  readonly waitMs: number
  readonly line: number
}

export type Role = {
  readonly name: string
  readonly members: { readonly groups: readonly string[]; readonly emails: readonly string[] }
  readonly allow: readonly AllowRule[]
  readonly review: readonly ReviewRule[]
  /** Left out: nothing. */
  readonly on?: readonly ReactionRule[]
}

/** What makes a key that signed one that signs in without a browser (DESIGN §7). */
export type EnrolledKeysConfig = {
  readonly enabled: boolean
  /** Until the end of the day in `timeZone`, or so many milliseconds; never longer than `sessionMs`. */
  readonly for: 'until-midnight' | number
  /** An IANA name. */
  readonly timeZone: string
  /** Any key; only FIDO keys, which want a touch; or only FIDO keys that asked for a PIN or a finger as well. */
  readonly accept: 'any' | 'fido' | 'fido-verified'
  /** Bits of the source address that the key is bound to. */
  readonly ipv4Prefix: number
  readonly ipv6Prefix: number
}

/** Workloads of an issuer that may come without a browser. */
export type MachineConfig = {
  readonly issuer: string
  /** What `aud` of their tokens must say. */
  readonly audience: string
  /** Claims that their tokens must have, each exactly so; at least one. */
  readonly bound: Readonly<Record<string, string>>
  readonly name: string
  readonly groups: readonly string[]
  /** How long a session may last that a certificate of theirs began; undefined: as long as the certificate. */
  readonly sessionMs?: number
  /** True only for an http issuer on loopback. */
  readonly allowHttpIssuer: boolean
}

export type TlsFiles = { readonly certificate: Secret; readonly key: Secret }

/** Everything that the PostgreSQL listener counts, waits for or keeps. Defaults and reasons: `postgres-limits.ts`. */
export type PostgresLimits = {
  readonly startupTimeoutMs: number
  readonly signInTimeoutMs: number
  readonly maxUnauthenticatedConnections: number
  readonly maxUnauthenticatedPerSource: number
  readonly maxWaitingSignIns: number
  readonly maxWaitingSignInsPerSource: number
  readonly maxSessionsPerPrincipal: number
  readonly maxMessageBytes: number
  readonly maxQueuedBytes: number
  readonly maxOutstandingRequests: number
  readonly maxStatements: number
  readonly cancelsPerMinutePerSource: number
  readonly upstreamTimeoutMs: number
  readonly keepAliveIntervalMs: number
}

/** Sign-in by OAUTHBEARER, chosen by the TLS server name or by a listener of its own. */
export type PostgresOAuth = {
  readonly serverName?: string
  readonly listen?: Endpoint
  readonly issuer: string
  /** What the sign-in page and the documents tell people to set as `oauth_client_id`. */
  readonly clientId?: string
  /** What `aud` of access tokens must say. */
  readonly audience: string
  /** Scopes that libpq asks for. */
  readonly scope: string
  /** RFC 7662, for access tokens that are not JWTs. */
  readonly introspection?: {
    readonly endpoint: string
    readonly clientId: string
    readonly clientSecret: Secret
  }
  readonly allowHttpIssuer: boolean
}

/** What access tokens for `/api/v1` must say; the issuer is that of `identity`. */
export type WebBearer = Pick<PostgresOAuth, 'audience' | 'clientId' | 'scope' | 'introspection'>

export type PostgresConfig = {
  readonly listen: Endpoint
  /** Only a listener on loopback may be without. */
  readonly tls?: TlsFiles
  /** The domain below which TLS server names name targets: `orders.SERVERNAME` is the target `orders`. */
  readonly serverName: string
  /** Whether the password `browser` asks for a browser at the client's own address. Not where all clients seem to have one address. */
  readonly browserSignIn: boolean
  readonly limits: PostgresLimits
  /** Worker processes that carry the sessions; 0: the gateway's own process does. */
  readonly workers: number
  readonly oauth?: PostgresOAuth
}

/** How long what is recorded of some sessions is kept, from their end on; at least one of the two ages is said. */
export type RetentionRule = {
  /** Undefined: all sessions. Labels are those that the target had when the session was opened. */
  readonly targets?: TargetMatch
  /** Before this age nothing removes it. */
  readonly minMs?: number
  /** At this age it is removed. */
  readonly maxMs?: number
  readonly line: number
}

/** Where checkpoints of the log of sessions are taken. */
export type CheckpointPlace =
  | { readonly kind: 'file'; readonly path: string }
  /** `secret`: base64 with or without `whsec_`, as Standard Webhooks has it. */
  | { readonly kind: 'webhook'; readonly url: string; readonly secret: Secret }
  | { readonly kind: 'witness'; readonly url: string; readonly key: string }
  | { readonly kind: 'syslog'; readonly server: SyslogServer }

/** A syslog server; without `tls` it is on this machine. */
export type SyslogServer = {
  readonly host: string
  readonly port: number
  /** `authority`: PEM; undefined: those that this machine trusts. */
  readonly tls: { readonly authority: string | undefined } | undefined
}

/** A bucket of S3 or of a server that speaks its protocol. Named `recording.store.s3` in the file. */
export type S3StoreConfig = {
  readonly bucket: string
  readonly region: string
  /** Undefined: that of AWS for the region. */
  readonly endpoint?: string
  /** Begins every key; empty, or with a slash at its end. */
  readonly prefix: string
  /** `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`. */
  readonly pathStyle: boolean
  /** Undefined: what the environment gives (variables, files, roles of machines), as the AWS SDK looks for it. */
  readonly credentials?: { readonly accessKeyId: Secret; readonly secretAccessKey: Secret }
  readonly objectLock?: { readonly mode: 'compliance' | 'governance'; readonly days: number }
  /** Whether each object is held from the start. */
  readonly legalHold: boolean
  /** `bucket`: as the bucket says. */
  readonly encryption: 'bucket' | 'AES256' | { readonly kmsKey: string }
  readonly partBytes: number
  /** How long the local copy stays after the object was found whole; 0: not at all. */
  readonly keepLocalMs: number
  /** What waits to be stored: above `bytes` or `ageMs` new sessions are refused, above `spoolBytes` live ones end. */
  readonly backlog: { readonly bytes: number; readonly ageMs: number; readonly spoolBytes: number }
  /** Copies of what was fetched from the bucket. */
  readonly cacheBytes: number
}

/** What one session may use up; undefined: as much as it likes. */
export type SessionLimits = {
  /** What its recording may hold, before compression. */
  readonly recordedBytes?: number
  readonly timeMs?: number
  /** What may go back to the user in all ... */
  readonly outputBytes?: number
  /** ... and in a second, on average over a minute. */
  readonly outputBytesPerSecond?: number
}

export type DurabilityConfig = {
  /** What happens before recorded bytes move on: `os` (the operating system has them), `disk` (besides, 200 ms later the disk), `statement` (the disk has them). */
  readonly sync: 'os' | 'disk' | 'statement'
  /** A disk that has not taken what is recorded after this time is taken for lost. */
  readonly appendTimeoutMs: number
  /** Room kept on each disk for sealing what is open when it fills up; 0: none. */
  readonly reserveBytes: number
  readonly limits: SessionLimits
}

export type SignalName =
  | 'first-access'
  | 'dormancy'
  | 'hour'
  | 'volume'
  | 'breadth'
  | 'two-sources'
  | 'drift'
  | 'reviewing'

/** Findings: how many, who sees them, how long they are kept. */
export type AnalysisConfig = {
  /** Recordings are read as they grow, for searching, rules and baselines. Without it nothing is derived from them. */
  readonly index: boolean
  /** Findings of one day (UTC) that stand above the line, and open ones of baselines about one person. */
  readonly budget: number
  readonly perPerson: number
  /** Of sessions without a finding; 0 to 1. */
  readonly sampleShare: number
  /** Findings are kept, and shown to no reviewer. */
  readonly shadow: boolean
  /** Closing findings of this severity and above takes two people; left out, one. */
  readonly fourEyes?: Severity
  /** Rules that make no findings. */
  readonly off: readonly string[]
  readonly baselines: {
    readonly enabled: boolean
    /** Events of a person before their own profile raises a finding alone. */
    readonly profile: number
    /** Nats that a session has to differ by. */
    readonly score: number
    readonly off: readonly SignalName[]
    readonly severity: Readonly<Record<SignalName, Severity>>
  }
  /** Names stay hidden in findings until somebody in one of these roles approves; left out, they show. */
  readonly pseudonyms?: {
    readonly approvers: readonly string[]
    /** How long a name shows. */
    readonly forMs: number
    /** How long one person has one pseudonym. */
    readonly rotateMs: number
  }
  readonly retention: {
    readonly findingsMs: number
    readonly profilesMs: number
    readonly unmaskingsMs: number
  }
  /** The folder of Sigma rules, absolute. */
  readonly sigma?: string
  readonly contact?: string
}

export type Config = {
  /** The file that this was read from, absolute. */
  readonly file: string
  /** `data` and `keys` are absolute; without `keys` they lie in the data folder. */
  readonly gateway: { readonly name: string; readonly data: string; readonly keys?: string }
  readonly ssh?: { readonly listen: Endpoint; readonly limits: SshLimits }
  readonly postgres?: PostgresConfig
  /** `url` is an origin without a slash at its end. */
  readonly web?: {
    readonly listen: Endpoint
    readonly url: string
    readonly tls?: TlsFiles
    readonly behindProxy: boolean
    /** Who may read `/metrics` here; the admin socket has them in any case. */
    readonly metrics?: { readonly token: Secret }
    /** Access tokens of `identity.issuer` that tools bring to `/api/v1`; without it they are not taken. */
    readonly bearer?: WebBearer
  }
  readonly identity: {
    readonly issuer: string
    readonly clientId: string
    readonly clientSecret?: Secret
    readonly claims: { readonly name: string; readonly groups: string }
    readonly sessionMs: number
    /** True only for an http issuer on loopback, which tests and the demo use. */
    readonly allowHttpIssuer: boolean
    readonly enrolledKeys: EnrolledKeysConfig
    readonly machines: readonly MachineConfig[]
  }
  readonly targets: readonly Target[]
  readonly roles: readonly Role[]
  /** Of targets and roles, as `policyTextOf` counts it. */
  readonly policyVersion?: string
  readonly log: { readonly publish: readonly CheckpointPlace[] }
  /** Who is told what happens. */
  readonly notify: readonly NotifySink[]
  readonly analysis: AnalysisConfig
  readonly recording: DurabilityConfig & {
    /** Where recordings are written to; with `s3`, where they wait until they are in the bucket. */
    readonly folder: string
    /** Where they are kept, if not in the folder. */
    readonly s3?: S3StoreConfig
    /** Per exec channel and stream; past it, size and digest go on. */
    readonly keepOutputBytes: number
    /** Of forwarded streams: sizes and digests, or their bytes too, up to `keepOutputBytes` each way. */
    readonly forwards: 'metadata' | 'content'
    readonly files: KeptFiles
    /** Of each file's content, where it is kept; past it, size and digest go on. */
    readonly copyBytes: number
    /** Of all files of one session. */
    readonly copySessionBytes: number
    /** Rows of each SQL result that are kept; 0: none. */
    readonly results: number
    /** String literals in SQL whose text matches one of these is masked in recordings; `*` stands for any characters. */
    readonly maskPatterns: readonly string[]
    /** Empty: everything is kept for ever. */
    readonly retention: readonly RetentionRule[]
    /** Who alone can read new recordings; empty: whoever has the file. */
    readonly encryptTo: readonly AuditorPublicKey[]
  }
}
