/**
 * Sessions as traces of OpenTelemetry (OTLP 1, JSON over HTTP). A session is one span from its opening to its close, told when it is over;
 * what the audit log says of it meanwhile are spans of no length below. Ids are made of the session and the line, so a repeat is the same span.
 */
import { createHash } from 'node:crypto'
import type { FeedEvent } from './event.ts'
import type { Producer } from './ocsf/mapped.ts'

type Attribute = { readonly key: string; readonly value: { readonly stringValue: string } }

export type Span = {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  /** 1: internal, 2: server. */
  readonly kind: 1 | 2
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  /** 1: ok, 2: error. */
  readonly status: { readonly code: 1 | 2 }
}

/** In UTF-16 units; collectors have limits of their own. */
const maxAttributeLength = 256

/** Undefined for what belongs to no session. */
export function spanOf(event: FeedEvent): Span | undefined {
  const { kind, fields, atMs, uid } = event
  const { session } = fields
  if (typeof session !== 'string' || session === '') return undefined
  const ofSession = sha256(`session ${session}`)
  const root = ofSession.slice(32, 48)
  const isRoot = kind === 'session-close'
  return {
    traceId: ofSession.slice(0, 32),
    spanId: isRoot ? root : sha256(uid).slice(0, 16),
    ...(isRoot ? {} : { parentSpanId: root }),
    name: isRoot ? 'session' : kind,
    kind: isRoot ? 2 : 1,
    startTimeUnixNano: nanos(isRoot ? (openedAtMs(session) ?? atMs) : atMs),
    endTimeUnixNano: nanos(atMs),
    attributes: attributesOf(event),
    status: { code: kind === 'refusal' || kind === 'credential-stuck' ? 2 : 1 },
  }
}

/** The body of a request to `/v1/traces`. */
export function tracesBody(spans: readonly Span[], { gateway, version }: Producer): string {
  const resource = {
    attributes: [
      attribute('service.name', 'sallyport'),
      attribute('service.version', version),
      attribute('host.name', gateway),
    ],
  }
  return JSON.stringify({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'sallyport', version }, spans }] }],
  })
}

const idAlphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** An id of a session begins with nine characters of its opening in milliseconds. */
function openedAtMs(session: string): number | undefined {
  const digits = Array.from(session.slice(0, 9), letter => idAlphabet.indexOf(letter))
  if (session.length !== 20 || digits.includes(-1)) return undefined
  return digits.reduce((time, digit) => time * 32 + digit, 0)
}

function attributesOf({ kind, fields, sequence }: FeedEvent): Attribute[] {
  const said = Object.entries(fields).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? [attribute(`sallyport.${name}`, String(value))]
      : [],
  )
  return [attribute('sallyport.kind', kind), attribute('sallyport.sequence', String(sequence)), ...said]
}

function attribute(key: string, text: string): Attribute {
  const clean = (value: string): string => value.slice(0, maxAttributeLength).toWellFormed()
  return { key: clean(key), value: { stringValue: clean(text) } }
}

function nanos(ms: number): string {
  return `${Math.max(0, Math.floor(ms))}000000`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
