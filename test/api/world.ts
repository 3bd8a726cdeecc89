import type { WebAuditEvent, WebDeps } from '../../src/api/deps.ts'
import { serveWeb, type WebServer } from '../../src/api/serve.ts'
import { createWeb } from '../../src/api/web.ts'
import { systemClock } from '../../src/clock.ts'
import { Fault } from '../../src/errors.ts'
import { openIssuer } from '../../src/identity/issuer.ts'
import { WaitingSignIns } from '../../src/identity/waiting-sign-in.ts'
import { openLog } from '../../src/log.ts'
import type { SessionRow, SignInRow } from '../../src/model.ts'
import { startTestIssuer, testClient } from '../support/issuer.ts'
import { freePort } from '../support/openssh.ts'

export const hour = 3_600_000

/** A web server with a real issuer and a store in memory. */
export type World = {
  readonly url: string
  readonly waiting: WaitingSignIns
  readonly audit: WebAuditEvent[]
  readonly sessions: SessionRow[]
  readonly signIns: Map<string, SignInRow>
  /** What tests change: the audit log that fails, the clock's shift, the transcript. */
  readonly knobs: {
    auditFails: boolean
    aheadMs: number
    transcript: string
    transcripts: number
    beforeTranscript: Promise<void>
  }
  close(): Promise<void>
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
  const identity = { claims: { name: 'email', groups: 'groups' }, sessionMs: 8 * hour }
  const deps: WebDeps = {
    webUrl: url,
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
    store: { sessions: listOf(sessions), signIns: signInsOf(signIns) },
    audit: {
      append: event => {
        if (knobs.auditFails)
          throw new Fault('AUDIT_APPEND_FAILED', 'The gateway cannot keep its records, so it shows nothing.')
        audit.push(event)
      },
    },
    mayReview: (principal, session) =>
      principal.fields.groups.includes('audit') && session.subject !== principal.fields.subject,
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
  }
  return { url, waiting, audit, sessions, signIns, knobs, close }
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
