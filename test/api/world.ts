import { generateKeyPairSync } from 'node:crypto'
import type { WebAuditEvent, WebDeps } from '../../src/api/deps.ts'
import type { Place } from '../../src/api/places.ts'
import { serveWeb, type WebServer } from '../../src/api/serve.ts'
import { createWeb } from '../../src/api/web.ts'
import type { AuditEvent } from '../../src/audit/audit-log.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import type { MachineConfig } from '../../src/config/config.ts'
import { fileSigner } from '../../src/credentials/authority.ts'
import { Fault } from '../../src/errors.ts'
import { ConnectionPasswords, type PasswordReuse } from '../../src/identity/connection-passwords.ts'
import { EnrolledKeys, type EnrolmentRules } from '../../src/identity/enrolled-keys.ts'
import { discoverKeys, openIssuer } from '../../src/identity/issuer.ts'
import { MachineTokens } from '../../src/identity/machine-token.ts'
import { WaitingSignIns } from '../../src/identity/waiting-sign-in.ts'
import { openLog } from '../../src/log.ts'
import type { SessionRow, Signer, SignInRow } from '../../src/model.ts'
import type { KeptView } from '../../src/recorder/retention/view.ts'
import { startTestIssuer, testClient } from '../support/issuer.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import { freePort, scratchFolder } from '../support/openssh.ts'

export const hour = 3_600_000

/** A web server with a real issuer and a store in memory. */
export type World = {
  readonly url: string
  readonly waiting: WaitingSignIns
  readonly audit: WebAuditEvent[]
  readonly sessions: SessionRow[]
  readonly signIns: Map<string, SignInRow>
  readonly keys: EnrolledKeys
  /** What `identity.machines` and `identity.enrolledKeys` say; tests change them. */
  readonly machines: MachineConfig[]
  readonly rules: { -readonly [K in keyof EnrolmentRules]: EnrolmentRules[K] }
  readonly authority: Signer
  readonly x509Authority: Signer
  readonly passwords: ConnectionPasswords
  /** What everybody may open; `reuse`: what policy says of using a password more than once. */
  readonly places: Place[]
  /** What tests change: the audit log that fails, the clock's shift, the transcript. */
  readonly knobs: {
    auditFails: boolean
    aheadMs: number
    transcript: string
    transcripts: number
    beforeTranscript: Promise<void>
    reuse: PasswordReuse | undefined
    kept: KeptView
  }
  close(): Promise<void>
}

export const unlimitedView: KeptView = {
  purgeAtMs: undefined,
  rule: undefined,
  hold: undefined,
  purged: undefined,
  isBeingPurged: false,
}
export const purgedView: KeptView = {
  ...unlimitedView,
  purged: { atMs: Date.parse('2027-04-05T00:00:00Z'), rule: 'line 12: all, max 400d', cause: 'policy' },
}

export async function openWorld(more: Partial<WebDeps> = {}): Promise<World> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const issuer = await startTestIssuer(url)
  const knobs = {
    auditFails: false,
    aheadMs: 0,
    transcript: 'hello',
    transcripts: 0,
    beforeTranscript: Promise.resolve(),
    reuse: undefined as PasswordReuse | undefined,
    kept: unlimitedView,
  }
  const clock = {
    nowMs: () => systemClock.nowMs() + knobs.aheadMs,
    monotonicUs: () => systemClock.monotonicUs() + knobs.aheadMs * 1000,
  }
  const limits = { maxWaitingSignIns: 50, maxWaitingSignInsPerSource: 20, signInCodeLifetimeMs: 5 * 60_000 }
  const waiting = new WaitingSignIns({ clock, limits, webUrl: url })
  const audit: WebAuditEvent[] = []
  const sessions: SessionRow[] = []
  const signIns = new Map<string, SignInRow>()
  const keyParts = await openKeyParts(clock, issuer.url, audit)
  const places: Place[] = []
  const passwords = new ConnectionPasswords({
    clock,
    audit: { append: event => append(event as WebAuditEvent) },
    reuse: () => knobs.reuse,
  })
  const append = (event: WebAuditEvent): void => {
    if (knobs.auditFails)
      throw new Fault('AUDIT_APPEND_FAILED', 'The gateway cannot keep its records, so it shows nothing.')
    audit.push(event)
  }
  const identity = { claims: { name: 'email', groups: 'groups' }, sessionMs: 8 * hour }
  const mayReview: WebDeps['mayReview'] = (principal, session) =>
    principal.fields.groups.includes('audit') && session.subject !== principal.fields.subject
  const deps: WebDeps = {
    webUrl: url,
    appFolder: '/nowhere',
    gatewayName: 'bastion.example.com',
    issuer: openIssuer(
      {
        issuer: issuer.url,
        clientId: testClient.clientId,
        clientSecret: { reveal: () => testClient.clientSecret },
        claims: identity.claims,
        allowHttpIssuer: true,
      },
      { clock },
    ),
    identity,
    waiting,
    ...keyParts.deps,
    store: { sessions: listOf(sessions), signIns: signInsOf(signIns) },
    audit: { append },
    passwords,
    places: () => places,
    endpoints: () => ({
      ssh: { host: '127.0.0.1', port: 2222 },
      postgres: { host: '127.0.0.1', port: 5433, tls: true, browserSignIn: true },
    }),
    mayReview,
    reviewable: async (principal, { limit, before }) => {
      const all = await listOf(sessions).list({
        limit: Infinity,
        ...(before === undefined ? {} : { before }),
      })
      const rows = all.filter(row => mayReview(principal, row)).slice(0, limit)
      return { rows, next: rows.length === limit ? rows.at(-1) : undefined }
    },
    kept: async rows => rows.map(() => knobs.kept),
    transcript: async () => {
      knobs.transcripts += 1
      await knobs.beforeTranscript
      return knobs.transcript
    },
    clock,
    log: openLog('silent'),
    ...more,
  }
  const server: WebServer = await serveWeb(createWeb(deps), { listen: { host: '127.0.0.1', port } })
  const close = async () => {
    await server.close()
    await issuer.close()
    await keyParts.close()
  }
  const { keys, machines, rules, authority, x509Authority } = keyParts
  const own = { keys, machines, rules, authority, x509Authority, passwords, places }
  return { url, waiting, audit, sessions, signIns, knobs, ...own, close }
}

/** Enrolled keys over a real store, and machines with a real verifier. */
async function openKeyParts(clock: Clock, issuer: string, events: WebAuditEvent[]) {
  const folder = scratchFolder()
  const store = await openStore(folder.path)
  const machines: MachineConfig[] = []
  const rules: World['rules'] = {
    enabled: true,
    for: 8 * hour,
    timeZone: 'UTC',
    accept: 'any',
    ipv4Prefix: 24,
    ipv6Prefix: 64,
    issuer,
    sessionMs: 8 * hour,
  }
  const audit = { append: (event: AuditEvent) => void events.push(event as WebAuditEvent) }
  const keys = new EnrolledKeys({ store: store.enrolledKeys, audit, clock, rules: () => rules })
  const authority = fileSigner(generateKeyPairSync('ed25519').privateKey)
  const x509Authority = fileSigner(generateKeyPairSync('ed25519').privateKey)
  const deps = {
    keys,
    machines: new MachineTokens({ clock, machines: () => machines, keysOf: discoverKeys }),
    signInAuthority: authority,
    signInX509Authority: x509Authority,
  }
  const close = async () => {
    await store.close()
    folder.remove()
  }
  return { deps, keys, machines, rules, authority, x509Authority, close }
}

/** A terminal that waits. */
export function ask(world: World, about: Partial<Parameters<WaitingSignIns['open']>[0]> = {}) {
  const opened = world.waiting.open({
    protocol: 'ssh',
    userName: 'root@web1',
    target: 'web1',
    login: 'root',
    sourceAddress: '127.0.0.1',
    ...about,
  })
  if (opened.kind !== 'waiting') throw new Error(opened.userText)
  return opened.signIn
}

export function sessionRow(more: Partial<SessionRow> = {}): SessionRow {
  return {
    id: 's-1',
    protocol: 'ssh',
    issuer: 'https://issuer.example',
    subject: 'subject-of-ada',
    principalName: 'ada@example.com',
    target: 'web1',
    login: 'root',
    role: 'admins',
    sourceAddress: '10.0.0.7',
    owner: 'gateway-1',
    openedAtMs: Date.UTC(2026, 2, 1, 12),
    endedAtMs: Date.UTC(2026, 2, 1, 12, 4, 10),
    state: 'ended',
    endReason: 'client left',
    recording: 's-1.sprec',
    ...more,
  }
}

function listOf(rows: readonly SessionRow[]): WebDeps['store']['sessions'] {
  return {
    get: async id => rows.find(row => row.id === id),
    list: async ({ limit, before }) =>
      rows
        .filter(
          row =>
            before === undefined ||
            row.openedAtMs < before.openedAtMs ||
            (row.openedAtMs === before.openedAtMs && row.id < before.id),
        )
        .toSorted((a, b) => b.openedAtMs - a.openedAtMs || (a.id < b.id ? 1 : -1))
        .slice(0, limit),
  }
}

function signInsOf(rows: Map<string, SignInRow>): WebDeps['store']['signIns'] {
  return {
    insert: async row => void rows.set(row.tokenHash, row),
    find: async (hash, nowMs) => {
      const row = rows.get(hash)
      return row !== undefined && row.expiresAtMs > nowMs ? row : undefined
    },
    remove: async hash => void rows.delete(hash),
    removeExpired: async nowMs => {
      const over = [...rows.values()].filter(row => row.expiresAtMs <= nowMs)
      for (const row of over) rows.delete(row.tokenHash)
      return over.length
    },
  }
}
