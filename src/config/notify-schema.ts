/** Where what happens is told to others: `notify`. */
import { resolve } from 'node:path'
import { z } from 'zod'
import { readPublicFile, readSecret, type SecretSources } from './secret-reference.ts'
import { type Reading, unreadable } from './reading.ts'
import { count, duration, reading, size, text } from './schema-values.ts'
import type { Secret } from './secret.ts'
import type { SyslogServer } from './config.ts'
import { syslogServerOf } from './syslog-server.ts'
import { parseHttpsUrl, parseSyslogUrl } from './values.ts'

/** What a webhook's answer may ask for. */
export const asks = ['end', 'pause', 'require-review'] as const
export type AskWord = (typeof asks)[number]

/** How a sink is told what happened. `ocsf`: OCSF; `audit`: as the audit log says it. */
export type SinkFormat = 'ocsf' | 'audit'

type SinkCommon = {
  /** Names it on the command line, in metrics, and its place in the audit log over restarts. */
  readonly name: string
  /** Kinds of the audit log, or their beginnings with a `*`; empty: all. */
  readonly events: readonly string[]
  readonly format: SinkFormat
  /** Whether commands, statements and files of sessions are sent too. */
  readonly content: boolean
}

export type NotifySink = SinkCommon &
  (
    | {
        readonly kind: 'file'
        readonly path: string
        readonly rotateBytes: number
        readonly keepFiles: number
      }
    | { readonly kind: 'syslog'; readonly server: SyslogServer }
    | {
        readonly kind: 'webhook'
        readonly url: string
        /** One, or two while they change over; base64 with or without `whsec_`. */
        readonly secrets: readonly Secret[]
        readonly authority: string | undefined
        /** What its answers may ask for. */
        readonly may: readonly AskWord[]
        readonly attempts: number
        readonly giveUpMs: number
      }
    | {
        readonly kind: 'otlp'
        /** With its path. */
        readonly url: string
        readonly token: Secret | undefined
        readonly authority: string | undefined
        readonly attempts: number
        readonly giveUpMs: number
      }
  )

/** Each has a lane of its own. */
const MAX_SINKS = 20
const MAX_PATTERNS = 100
/** A file that rotates for every few events is a slip. */
const MIN_ROTATE_BYTES = 64 * 1024
const MAX_KEEP_FILES = 1000
/** The audit log keeps what waits, so patience costs nothing. */
const MAX_GIVE_UP_MS = 365 * 86_400_000
const MAX_SECRETS = 2
/** Standard Webhooks: 24 to 64 bytes. */
const SECRET_BYTES = { min: 24, max: 64 } as const

const name = reading(value =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9-]{0,62}$/.test(value)
    ? { ok: true, value }
    : unreadable('must be made of small letters, digits and hyphens, at most 63'),
)

const pattern = reading(value =>
  typeof value === 'string' && /^[a-z][a-z-]{0,60}\*?$/.test(value)
    ? { ok: true, value }
    : unreadable('must be a kind of the audit log, such as session-open, or a beginning, such as session-*'),
)

const rotateSize = reading(value => {
  const parsed = size().safeParse(value)
  if (!parsed.success) return unreadable('must be a size such as 100MiB')
  return parsed.data < MIN_ROTATE_BYTES
    ? unreadable('must be at least 64KiB')
    : { ok: true, value: parsed.data }
})

/** References only, and what they lead to has to be a key: a receiver could check nothing else. */
function readWebhookSecret(value: unknown, sources: SecretSources): Reading<Secret> {
  const secret = readSecret(value, sources)
  if (!secret.ok || sources.withoutSecrets === true) return secret
  const base64 = secret.value.reveal().replace(/^whsec_/, '')
  const key = Buffer.from(base64, 'base64')
  const isWhole = key.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '')
  return isWhole && key.length >= SECRET_BYTES.min && key.length <= SECRET_BYTES.max
    ? secret
    : unreadable('must refer to 24 to 64 bytes in base64', 'make one with: openssl rand -base64 32')
}

/** One, or two while they change over. */
function readWebhookSecrets(value: unknown, sources: SecretSources): Reading<readonly Secret[]> {
  const references = Array.isArray(value) ? value : [value]
  if (references.length === 0 || references.length > MAX_SECRETS)
    return unreadable('must be one secret, or two')
  const secrets: Secret[] = []
  for (const reference of references) {
    const secret = readWebhookSecret(reference, sources)
    if (!secret.ok) return secret
    secrets.push(secret.value)
  }
  return { ok: true, value: secrets }
}

const common = {
  name: name.optional(),
  events: z.array(pattern).max(MAX_PATTERNS).default([]),
  content: z.boolean().default(false),
}
const patience = { attempts: count(30), giveUp: duration(MAX_GIVE_UP_MS).prefault('3d') }
const format = z.enum(['ocsf', 'audit']).default('ocsf')

function sink(sources: SecretSources) {
  const authority = reading(value => readPublicFile(value, sources)).optional()
  return z.union([
    z.strictObject({
      file: text(),
      ...common,
      format,
      rotate: rotateSize.prefault('100MiB'),
      keep: z.int().min(0).max(MAX_KEEP_FILES).default(10),
    }),
    z.strictObject({
      syslog: reading(parseSyslogUrl),
      ...common,
      format: z.enum(['rfc5424', 'ocsf']).default('rfc5424'),
      authority,
    }),
    z.strictObject({
      webhook: reading(parseHttpsUrl),
      ...common,
      format,
      secret: reading(value => readWebhookSecrets(value, sources)),
      authority,
      may: z.array(z.enum(asks)).default([]),
      ...patience,
    }),
    z.strictObject({
      otlp: reading(parseHttpsUrl),
      name: name.optional(),
      token: reading(value => readSecret(value, sources)).optional(),
      authority,
      ...patience,
    }),
  ])
}

export const notifySchema = (sources: SecretSources) =>
  z
    .array(sink(sources))
    .max(MAX_SINKS)
    .superRefine((sinks, context) => {
      const names = sinks.map(nameOf)
      for (const [index, one] of names.entries())
        if (names.indexOf(one) < index)
          context.addIssue({
            code: 'custom',
            path: [index],
            message: `would have the name \`${one}\` of one before it`,
            params: { suggestion: 'give it a `name` of its own' },
          })
    })
    .default([])

type FileSink = z.output<ReturnType<typeof notifySchema>>[number]

/** Without a name, where it leads to. */
function nameOf(one: FileSink): string {
  if (one.name !== undefined) return one.name
  if ('file' in one) return slug(`file-${one.file.split('/').at(-1) ?? ''}`)
  if ('syslog' in one) return slug(`syslog-${hostOf(one.syslog)}`)
  return 'otlp' in one ? slug(`otlp-${hostOf(one.otlp)}`) : slug(`webhook-${hostOf(one.webhook)}`)
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : ''
}

function slug(place: string): string {
  return place
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63)
}

/** A collector gets what belongs to sessions. */
function otlpSinkOf(one: Extract<FileSink, { otlp: string }>): NotifySink {
  const { otlp, token, attempts, giveUp } = one
  const url = new URL(otlp).pathname === '/' ? new URL('/v1/traces', otlp).href : otlp
  return {
    kind: 'otlp',
    name: nameOf(one),
    events: [],
    format: 'audit',
    content: false,
    url,
    token,
    authority: one.authority?.reveal(),
    attempts,
    giveUpMs: giveUp,
  }
}

/** Paths start from the folder of the configuration file. */
export function notifySinksOf(sinks: readonly FileSink[], folder: string): readonly NotifySink[] {
  return sinks.map(one => {
    if ('otlp' in one) return otlpSinkOf(one)
    const { events, content } = one
    const named = { name: nameOf(one), events, content }
    if ('file' in one) {
      const { file, rotate, keep } = one
      return {
        ...named,
        format: one.format,
        kind: 'file',
        path: resolve(folder, file),
        rotateBytes: rotate,
        keepFiles: keep,
      }
    }
    const authority = one.authority?.reveal()
    if ('syslog' in one) {
      const sinkFormat = one.format === 'ocsf' ? 'ocsf' : 'audit'
      return { ...named, format: sinkFormat, kind: 'syslog', server: syslogServerOf(one.syslog, authority) }
    }
    const { webhook: url, secret: secrets, may, attempts, giveUp } = one
    return {
      ...named,
      format: one.format,
      kind: 'webhook',
      url,
      secrets,
      authority,
      may,
      attempts,
      giveUpMs: giveUp,
    }
  })
}
