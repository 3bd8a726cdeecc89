/** The interface over a real store, real recordings, a real policy and real logs, and people with cookies. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Aliases } from '../../../src/analysis/findings/aliases.ts'
import { openFindingDesk } from '../../../src/analysis/findings/open-desk.ts'
import type { FindingDesk } from '../../../src/analysis/findings/desk.ts'
import { SearchThread } from '../../../src/analysis/index/search-thread.ts'
import { integrityOf, proofsOf, trustOf } from '../../../src/api/v1/integrity.ts'
import type { ApiDeps } from '../../../src/api/v1/deps.ts'
import { reviewablePage } from '../../../src/api/v1/visible-sessions.ts'
import { type AuditEvent, openAuditLog } from '../../../src/audit/audit-log.ts'
import { openSessionLog } from '../../../src/audit/tree/session-log.ts'
import { systemClock } from '../../../src/clock.ts'
import type { Config } from '../../../src/config/config.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { policyTextOf } from '../../../src/config/policy-text.ts'
import { printProblems } from '../../../src/config/problem.ts'
import { openAuthorities } from '../../../src/credentials/authority.ts'
import { Fault } from '../../../src/errors.ts'
import { openLog } from '../../../src/log.ts'
import type { PrincipalFields, SessionRow } from '../../../src/model.ts'
import { mayReview } from '../../../src/policy/review.ts'
import type { RecordedEvent } from '../../../src/recorder/event.ts'
import type { Recorder, Recording } from '../../../src/recorder/recorder.ts'
import type { Held } from '../../../src/session/hold.ts'
import { openSessionCatalogue } from '../../../src/store/session-catalogue.ts'
import { openStore } from '../../../src/store/sqlite-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { localStore } from '../../../src/recorder/storage/local-store.ts'
import { newBench, newGrant, output, startRecorder, turn } from '../../recorder/support.ts'
import { scratchFolder } from '../../support/openssh.ts'
import { hour, openWorld, sessionRow, unlimitedView, type World } from '../world.ts'

/** Everybody whom routes have to tell apart. `watched` reviews too: their own sessions are what they may not see. */
export const everybody = ['nobody', 'plain', 'elsewhere', 'reviewer', 'second', 'watched', 'expired'] as const
export type Who = (typeof everybody)[number]

const groups: Readonly<Record<Who, readonly string[]>> = {
  nobody: [],
  plain: [],
  elsewhere: ['lab-audit'],
  reviewer: ['audit'],
  second: ['audit'],
  watched: ['admins', 'audit'],
  expired: ['audit'],
}

export type Asked = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: unknown
}

export type ApiWorld = {
  readonly url: string
  readonly store: Store
  /** Where recordings lie. */
  readonly recordings: string
  readonly config: Config
  readonly audit: AuditEvent[]
  readonly desk: FindingDesk
  /** What tests change. */
  readonly knobs: World['knobs'] & { ended: string[]; fourEyes: ApiDeps['fourEyes'] }
  readonly open: { readonly row: SessionRow; readonly recording: Recording }
  readonly person: (who: Who) => PrincipalFields
  readonly headers: (who: Who) => Promise<Record<string, string>>
  readonly ask: (who: Who, method: string, path: string, body?: unknown) => Promise<Asked>
  readonly signOut: (who: Who) => Promise<void>
  readonly close: () => Promise<void>
}

/** Sessions of `watched`: at a terminal, in a database, one that goes on, and one at a target that only `elsewhere` reviews. */
export const sessions = { ssh: 's-ssh', sql: 's-sql', open: 's-open', lab: 's-lab' }

const rawConfig = (data: string) => ({
  gateway: { name: 'bastion.test', data },
  ssh: { listen: '127.0.0.1:2222' },
  web: { listen: '127.0.0.1:1', url: 'http://127.0.0.1:1' },
  identity: { issuer: 'http://127.0.0.1:2', clientId: 'sallyport', clientSecret: 'env:SECRET' },
  targets: [
    { name: 'web1', protocol: 'ssh', address: '10.0.0.1:22', labels: { env: 'prod' }, hostKeys: 'first-use' },
    {
      name: 'orders',
      protocol: 'postgres',
      address: '127.0.0.1:5432',
      labels: { env: 'prod' },
      tls: 'off',
      broker: { user: 'broker', password: 'env:SECRET' },
    },
    { name: 'lab1', protocol: 'ssh', address: '10.0.0.2:22', labels: { env: 'lab' }, hostKeys: 'first-use' },
  ],
  roles: {
    admin: {
      members: { groups: ['admins'] },
      allow: [{ targets: { labels: { env: 'prod' } }, logins: ['root'] }],
    },
    auditor: {
      members: { groups: ['audit'] },
      review: [{ targets: { labels: { env: 'prod' } } }, { targets: { protocol: 'postgres' } }],
    },
    lab: { members: { groups: ['lab-audit'] }, review: { targets: { labels: { env: 'lab' } } } },
  },
})

export async function openApiWorld(more: Partial<ApiDeps> = {}): Promise<ApiWorld> {
  const scratch = scratchFolder()
  const data = join(scratch.path, 'data')
  mkdirSync(data)
  const raw = rawConfig(data)
  const configFile = join(scratch.path, 'sallyport.yaml')
  writeFileSync(configFile, stringify(raw))
  const loaded = loadConfig(configFile, { SECRET: 'x' })
  if (!loaded.ok) throw new Error(printProblems(loaded.problems))
  const { config } = loaded
  const store = await openStore(data)
  const log = openLog('silent')
  const authorities = openAuthorities(join(data, 'keys'))
  const signer = authorities['log-checkpoints']
  const auditLog = openAuditLog({ folder: join(data, 'audit'), signer, clock: systemClock, log })
  const events: AuditEvent[] = []
  const sessionLog = openSessionLog({
    folder: join(data, 'log'),
    origin: 'bastion.test',
    signer,
    clock: systemClock,
    log,
    checkpointAfterMs: 1,
  })
  const bench = newBench()
  const recorder = startRecorder(bench, { sessionLog, signer: authorities['recording-heads'] })
  const ended: string[] = []
  let held: Held | undefined
  const shared: { knobs?: ApiWorld['knobs'] } = {}
  const audit = {
    append: (event: AuditEvent) => {
      if (shared.knobs?.auditFails === true)
        throw new Fault('AUDIT_APPEND_FAILED', 'The gateway cannot keep its records, so it shows nothing.')
      auditLog.append(event)
      events.push(event)
    },
  }
  const recorded = await recordSessions(recorder)
  const catalogue = openSessionCatalogue(data)
  const desk = openFindingDesk({
    store: store.findings,
    sessions: store.sessions,
    audit,
    clock: systemClock,
    log,
    config: () => config,
    aliases: new Aliases(join(data, 'keys'), Date.now()),
  })
  const index = new SearchThread(data)
  const logParts = { folder: join(data, 'log'), sessionLog, keys: () => authorities.ring.list }
  const rows = new Map<string, SessionRow>()
  const api: ApiDeps = {
    version: '0.0.0',
    policy: () => config,
    policyText: () => policyTextOf(stringify(raw)),
    catalogue,
    reviews: store.reviews,
    audit,
    appendSigned: async event => {
      audit.append(event)
      return await auditLog.appendSigned(event)
    },
    proofs: () => proofsOf(logParts),
    recordingsFolder: bench.folder,
    recordings: localStore(bench.folder),
    live: {
      end: (id, reason) => {
        ended.push(`${id}: ${reason}`)
        return id === sessions.open
      },
      hold: async (id, { kind, waitMs, userText }) => {
        if (id !== sessions.open) return 'not-open'
        held = { kind, sinceMs: Date.now(), untilMs: Date.now() + waitMs, userText }
        return 'held'
      },
      release: async id => {
        const isHeld = id === sessions.open && held !== undefined
        if (isHeld) held = undefined
        return isHeld
      },
      heldOf: id => (id === sessions.open ? held : undefined),
      watch: id => {
        const row = rows.get(id)
        const watch = id === sessions.open ? recorded.open.watch() : undefined
        return watch === undefined || row === undefined
          ? { kind: 'not-open' }
          : { kind: 'watching', watch, row }
      },
      rows: () => [],
    },
    findings: desk,
    integrity: integrityOf(logParts),
    index,
    trust: () => trustOf(authorities.ring.list),
    pseudonyms: () => false,
    fourEyes: () => shared.knobs?.fourEyes() ?? [],
    ...more,
  }
  const world = await openWorld({
    store,
    api,
    mayReview: (principal, row) => mayReview(config, principal, row).allowed,
    reviewable: (principal, wish) => reviewablePage(api, principal, wish),
    kept: async all =>
      all.map(({ id }) => (id === sessions.ssh ? (shared.knobs?.kept ?? unlimitedView) : unlimitedView)),
  })
  const knobs: ApiWorld['knobs'] = Object.assign(world.knobs, { ended, fourEyes: () => [] })
  shared.knobs = knobs
  const issuer = await issuerOf(world)
  const persons = new Map(everybody.map(who => [who, personOf(who, issuer)]))
  const person = (who: Who): PrincipalFields => persons.get(who) ?? personOf(who, issuer)
  const cookies = new Map<Who, string>()
  for (const who of everybody) if (who !== 'nobody') cookies.set(who, await signIn(store, person(who), who))
  const { issuer: ownerIssuer, subject, name } = person('watched')
  for (const [id, about] of Object.entries(recorded.rows)) {
    const row = sessionRow({
      id,
      issuer: ownerIssuer,
      subject,
      principalName: name,
      openedAtMs: Date.now() - hour,
      endedAtMs: Date.now(),
      ...about,
    })
    rows.set(id, row)
    await store.sessions.insert(row)
  }
  const tokens = new Map<Who, string>()
  const headers = async (who: Who): Promise<Record<string, string>> => {
    const cookie = cookies.get(who)
    if (cookie === undefined) return {}
    const plain = { Cookie: `sallyport=${cookie}` }
    if (!tokens.has(who)) {
      const me = (await (await fetch(`${world.url}/api/v1/me`, { headers: plain })).json()) as {
        formToken?: string
      }
      tokens.set(who, me.formToken ?? '')
    }
    return { ...plain, 'X-Sallyport-Token': tokens.get(who) ?? '', 'Sec-Fetch-Site': 'same-origin' }
  }
  const ask: ApiWorld['ask'] = async (who, method, path, body) => {
    const given = await headers(who)
    const answer = await fetch(`${world.url}/api/v1${path}`, {
      method,
      headers: body === undefined ? given : { ...given, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.includes('json') === true && !text.includes('\n{')
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    }
  }
  const openRow = rows.get(sessions.open)
  if (openRow === undefined) throw new Error('no open session')
  return {
    url: world.url,
    recordings: bench.folder,
    store,
    config,
    audit: events,
    desk,
    knobs,
    open: { row: openRow, recording: recorded.open },
    person,
    headers,
    ask,
    signOut: async who => await store.signIns.remove(hashOf(cookies.get(who) ?? '')),
    close: async () => {
      await world.close()
      await catalogue.close()
      await index.close()
      await recorded.open.seal('over')
      await recorder.close()
      await sessionLog.close()
      await auditLog.close()
      await store.close()
      scratch.remove()
    },
  }
}

/** Where the web pages send people; sign-ins of others do not count. */
async function issuerOf(world: World): Promise<string> {
  const answer = await fetch(`${world.url}/sign-in/start`, { redirect: 'manual' })
  return new URL(answer.headers.get('location') ?? '').origin
}

function personOf(who: Who, issuer: string): PrincipalFields {
  const nowMs = Date.now()
  return {
    issuer,
    subject: `subject-${who}`,
    name: `${who}@example.com`,
    email: `${who}@example.com`,
    emailVerified: true,
    groups: groups[who],
    authenticatedAtMs: nowMs,
    expiresAtMs: who === 'expired' ? nowMs - 1 : nowMs + 1000 * hour,
  }
}

function hashOf(cookie: string): string {
  return createHash('sha256').update(cookie).digest('hex')
}

async function signIn(store: Store, principal: PrincipalFields, who: Who): Promise<string> {
  const cookie = randomBytes(32).toString('base64url')
  const tokenHash = hashOf(cookie)
  const createdAtMs = Date.now() - (who === 'expired' ? hour : 0)
  await store.signIns.insert({ tokenHash, principal, createdAtMs, expiresAtMs: principal.expiresAtMs })
  return cookie
}

const pty: RecordedEvent = {
  type: 'pty',
  channel: 0,
  term: 'xterm',
  columns: 80,
  rows: 24,
  widthPx: 0,
  heightPx: 0,
  modes: '',
}

async function recordSessions(recorder: Recorder) {
  const ssh = recorder.open(newGrant(), { session: sessions.ssh, protocol: 'ssh' })
  for (const event of sshEvents) ssh.record(event)
  await turn()
  await ssh.seal('over')
  const sql = recorder.open(newGrant(), { session: sessions.sql, protocol: 'postgres' })
  for (const event of sqlEvents) sql.record(event)
  await turn()
  await sql.seal('over')
  const open = recorder.open(newGrant(), { session: sessions.open, protocol: 'ssh' })
  open.record(pty)
  open.record(output('so far'))
  await turn()
  const lab = recorder.open(newGrant(), { session: sessions.lab, protocol: 'ssh' })
  await lab.seal('over')
  const rows: Record<string, Partial<SessionRow>> = {
    [sessions.ssh]: { recording: ssh.path },
    [sessions.sql]: { recording: sql.path, protocol: 'postgres', target: 'orders', login: 'app_readonly' },
    [sessions.open]: { recording: open.path, state: 'open', endedAtMs: undefined, endReason: undefined },
    [sessions.lab]: { recording: lab.path, target: 'lab1' },
  }
  return { rows, open }
}

const sshEvents: readonly RecordedEvent[] = [
  { type: 'client', software: 'SSH-2.0-OpenSSH_9.2p1 Debian-2' },
  {
    type: 'credential',
    credential: 'ssh-certificate',
    serial: '8126041932471120033',
    keyId: 'sallyport session=s-ssh principal=watched',
    user: 'root',
    validFromMs: Date.UTC(2026, 10, 1, 9, 59, 30),
    validUntilMs: Date.UTC(2026, 10, 1, 10, 0, 30),
  },
  { type: 'channel-open', channel: 0, kind: 'session' },
  pty,
  { type: 'shell', channel: 0 },
  output('$ ls\r\nfile <script>alert(1)</script> \u202e\r\n$ '),
  { type: 'channel-open', channel: 1, kind: 'session' },
  { type: 'exec', channel: 1, command: Buffer.from('systemctl restart app') },
  { type: 'exit-status', channel: 1, status: 0 },
  { type: 'channel-close', channel: 1 },
  { type: 'channel-close', channel: 0 },
]

const sqlEvents: readonly RecordedEvent[] = [
  { type: 'credential', credential: 'postgres-role', user: 'sp_watched_k3v9', passwordSeconds: 60 },
  {
    type: 'sql-session',
    user: 'app_readonly',
    database: 'orders',
    application: 'psql',
    protocol: '3.0',
    parameters: {},
  },
  { type: 'statement', statement: 1, how: 'simple', text: 'select id, name from customers where id = 7' },
  {
    type: 'columns',
    columns: 1,
    fields: [
      { name: 'id', type: 'int4' },
      { name: 'name', type: 'text' },
    ],
  },
  {
    type: 'result',
    statement: 1,
    status: 'done',
    tag: 'SELECT 1',
    rows: 1,
    bytes: 12,
    us: 1500,
    columns: 1,
    head: [[{ text: '7' }, { null: true }]],
  },
  { type: 'statement', statement: 2, how: 'simple', text: 'drop table customers' },
  {
    type: 'result',
    statement: 2,
    status: 'error',
    sqlstate: '42501',
    message: 'must be owner of table customers',
    us: 300,
  },
]
