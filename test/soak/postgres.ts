/**
 * `npm run soak -- postgres [--sessions N] [--seed N] [--version 15|18] [--workers N]`: sessions that end in every way that there is, at
 * random points, the gateway and its worker processes killed −9 among them. In the end no role and no lease is left, every session has a recording that verifies, and whatever
 * a client was answered is on record.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import pg from 'pg'
import { readRecording } from '../../src/recorder/reader.ts'
import { sqlEntries } from '../../src/recorder/sql-statements.ts'
import type { PostgresVersion } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { randomFrom } from './random.ts'
import { copyMuch, type CopyReport } from './postgres-copy.ts'

/** Clients at once: below what one source may have unauthenticated, so that nobody is turned away by chance. */
const lanes = 12
/** A password for several connections carries no more; the next one is made before it is used up. */
const connectionsPerPassword = 1000
/** For roles whose making was under way when the gateway died: the sweep looks again after that. */
const settleMs = 120_000

const copyBytes = 1_000_000_000
/** What a COPY may cost in the gateway, however much is copied. */
const copyMayGrowMiB = 64

export type SoakWish = {
  /** Sessions in which a client was answered; those that end before come on top. */
  readonly sessions: number
  readonly gatewayKills: number
  readonly seed: number
  readonly version: PostgresVersion
  /** Worker processes; none by default. */
  readonly workers?: number
  /** How often one of them is killed. */
  readonly workerKills?: number
}

export type SoakReport = {
  readonly version: PostgresVersion
  readonly seed: number
  readonly seconds: number
  /** By the audit log. */
  readonly opened: number
  /** Clients that were answered. */
  readonly answered: number
  readonly gatewayKills: number
  readonly workerKills: number
  readonly endings: Readonly<Record<string, number>>
  readonly peakMiB: number
  readonly rolesLeft: number
  readonly leasesLeft: number
  readonly sessionsLeftOpen: number
  readonly withoutRecording: number
  readonly answeredButNotRecorded: number
  readonly verifies: boolean
  readonly problems: readonly string[]
}

export async function soakPostgres(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sessions: { type: 'string', default: '2000' },
      seed: { type: 'string' },
      version: { type: 'string', default: '15' },
      workers: { type: 'string', default: '0' },
    },
  })
  const sessions = Number(values.sessions)
  const report = await runSoak({
    sessions,
    gatewayKills: Math.max(2, Math.round(sessions / 200)),
    seed: Number(values.seed ?? Date.now() % 1_000_000_000),
    version: values.version === '18' ? 18 : 15,
    workers: Number(values.workers),
    workerKills: values.workers === '0' ? 0 : Math.max(4, Math.round(sessions / 100)),
  })
  console.log(report)
  const copied = await runCopy(report.version)
  console.log(copied)
  return (
    isClean(report) && copied.sameBytes && Math.max(copied.grownMiB.in, copied.grownMiB.out) < copyMayGrowMiB
  )
}

async function runCopy(version: PostgresVersion): Promise<CopyReport> {
  const company = await PostgresWorld.start({ version, logLevel: 'info' })
  try {
    return await copyMuch(company, copyBytes)
  } finally {
    await company.stop()
  }
}

export function isClean(report: SoakReport): boolean {
  const { rolesLeft, leasesLeft, sessionsLeftOpen, withoutRecording, answeredButNotRecorded } = report
  const left = rolesLeft + leasesLeft + sessionsLeftOpen + withoutRecording + answeredButNotRecorded
  return left === 0 && report.verifies && report.problems.length === 0
}

export async function runSoak(wish: SoakWish): Promise<SoakReport> {
  const company = await PostgresWorld.start({
    version: wish.version,
    logLevel: 'info',
    rule: { passwords: { for: '8h', connections: connectionsPerPassword } },
    configure: config => {
      if (wish.workers !== undefined) config['postgres'].workers = wish.workers
    },
  })
  try {
    return await new Soak(company, wish).run()
  } finally {
    await company.stop()
  }
}

const endings = ['terminate', 'fin', 'reset', 'early', 'backend', 'client-killed'] as const
type EndingWay = (typeof endings)[number]
/** What the server is doing for the session when it ends. */
const works = [
  '',
  'begin; create temp table t (id int); insert into t values (1)',
  'select pg_sleep(600)',
  'select repeat(n::text, 100) from generate_series(1, 300000) n',
  'copy (select repeat(n::text, 50) from generate_series(1, 300000) n) to stdout',
  'begin; create table kept (id int); insert into kept values (1); rollback',
  'select lo_from_bytea(0, $$large$$)',
]

class Soak {
  readonly #company: PostgresWorld
  readonly #wish: SoakWish
  readonly #random: () => number
  readonly #answered = new Set<string>()
  readonly #endings: Record<string, number> = {}
  readonly #problems: string[] = []
  #begun = 0
  #kills = 0
  #workerKills = 0
  #peakKib = 0
  #password = ''
  #uses = 0
  /** How long it takes to open a session here and now: random points lie around it. */
  #openingMs = 100
  /** Settled while the gateway is up. */
  #gateway: Promise<void> = Promise.resolve()

  constructor(company: PostgresWorld, wish: SoakWish) {
    this.#company = company
    this.#wish = wish
    this.#random = randomFrom(wish.seed)
  }

  async run(): Promise<SoakReport> {
    const began = Date.now()
    await this.#renewPassword()
    await Promise.all([
      this.#killGateways(),
      this.#killWorkers(),
      ...Array.from({ length: lanes }, () => this.#lane()),
    ])
    await this.#settle()
    this.#notePeak()
    return { ...(await this.#report()), seconds: Math.round((Date.now() - began) / 1000) }
  }

  get #isDone(): boolean {
    return this.#answered.size >= this.#wish.sessions || this.#problems.length > 0
  }

  async #lane(): Promise<void> {
    while (!this.#isDone) {
      await this.#gateway
      if (++this.#uses % (connectionsPerPassword - 2 * lanes) === 0)
        await (this.#gateway = this.#renewPassword())
      await this.#session(`soak ${this.#begun++}`)
    }
  }

  async #session(marker: string): Promise<void> {
    const way = this.#pick(endings)
    const work = this.#pick(works)
    const answered =
      way === 'client-killed' ? await this.#killed(marker, work) : await this.#ended(marker, work, way)
    if (!answered) return
    this.#answered.add(marker)
    this.#endings[way] = (this.#endings[way] ?? 0) + 1
  }

  /** node-postgres, whose socket we hold. True if the marker came back. */
  async #ended(marker: string, work: string, way: EndingWay): Promise<boolean> {
    const raw = new Socket() // connected by the client
    raw.on('error', () => {})
    const client = this.#client(raw)
    if (way === 'early') void sleep(this.#random() * 1.5 * this.#openingMs).then(() => raw.destroy())
    // A client whose socket is taken away while it connects waits for ever.
    const closed = new Promise<undefined>(resolve => raw.once('close', () => resolve(undefined)))
    try {
      const self = await Promise.race([closed, this.#askWhoIAm(client, marker)])
      if (self === undefined) return false
      if (work !== '') client.query(work).catch(() => {})
      await sleep(this.#random() * 60)
      await this.#end(way, client, raw, self)
      return true
    } catch {
      return false
    } finally {
      raw.destroy()
    }
  }

  /** The role of the session, once the gateway has answered. */
  async #askWhoIAm(client: pg.Client, marker: string): Promise<string | undefined> {
    const began = Date.now()
    await client.connect()
    this.#openingMs = 0.9 * this.#openingMs + 0.1 * (Date.now() - began)
    const { rows } = await client.query<{ marker: string; self: string }>(
      `select '${marker}' as marker, session_user as self`,
    )
    return rows[0]?.marker === marker ? rows[0].self : undefined
  }

  #client(raw: Socket): pg.Client {
    const client = new pg.Client({
      stream: () => raw,
      host: '127.0.0.1',
      port: this.#company.port,
      user: 'app_owner@orders',
      password: this.#password,
      database: 'app',
      ssl: { rejectUnauthorized: false },
    })
    client.on('error', () => {})
    return client
  }

  async #end(way: EndingWay, client: pg.Client, raw: Socket, self: string): Promise<void> {
    if (way === 'terminate') await Promise.race([client.end(), sleep(1000)])
    else if (way === 'reset') raw.resetAndDestroy()
    else if (way === 'backend') await this.#terminateBackend(self)
    else raw.destroy()
  }

  async #terminateBackend(role: string): Promise<void> {
    await this.#company.server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`,
    )
  }

  /** psql, which is killed −9. True if it had printed the marker by then. */
  async #killed(marker: string, work: string): Promise<boolean> {
    const { port, world } = this.#company
    const child = this.#company.start(
      'psql',
      ['-X', '-A', '-t', '-c', `select '${marker}'`, '-c', work || 'select 1', '-c', 'select pg_sleep(600)'],
      {
        PGHOST: '127.0.0.1',
        PGPORT: String(port),
        PGUSER: 'app_owner@orders',
        PGPASSWORD: this.#password,
        PGDATABASE: 'app',
        PGSSLMODE: 'require',
        HOME: world.folder,
      },
    )
    let printed = ''
    child.stdout?.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(0, 100)))
    child.stderr?.resume()
    const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
    await Promise.race([closed, sleep(30 + this.#random() * 3 * this.#openingMs)])
    child.kill('SIGKILL')
    await closed
    return printed.startsWith(`${marker}\n`)
  }

  /** Evenly among the sessions, while all lanes are busy. */
  async #killGateways(): Promise<void> {
    const { gatewayKills, sessions } = this.#wish
    for (let kill = 1; kill <= gatewayKills; kill++) {
      const after = Math.floor((sessions * kill) / (gatewayKills + 1))
      while (this.#answered.size < after && !this.#isDone) await sleep(10 + this.#random() * 30)
      if (this.#isDone) return
      await (this.#gateway = this.#killGateway())
    }
  }

  /** Any of them, while the gateway is up. */
  async #killWorkers(): Promise<void> {
    const { workerKills = 0, workers = 0, sessions } = this.#wish
    for (let kill = 1; kill <= workerKills; kill++) {
      const after = Math.floor((sessions * (kill - 0.5)) / workerKills)
      while (this.#answered.size < after && !this.#isDone) await sleep(10 + this.#random() * 30)
      await this.#gateway
      if (this.#isDone) return
      const number = 1 + Math.floor(this.#random() * workers)
      try {
        const file = join(this.#company.world.data, 'workers', String(number), 'pid')
        process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL')
        this.#workerKills++
      } catch {
        // it is being replaced just now
      }
    }
  }

  async #killGateway(): Promise<void> {
    const { world } = this.#company
    if (world.gatewayEnded) this.#problems.push(`the gateway ended: ${world.log.slice(-2000)}`)
    this.#notePeak()
    await world.killGateway('SIGKILL')
    this.#kills++
    await world.startGateway()
    await this.#renewPassword() // the old one died with the process
  }

  async #renewPassword(): Promise<void> {
    this.#password = await this.#company.password('app_owner', undefined, 'orders', 'often')
    this.#uses = 0
  }

  #notePeak(): void {
    const status = readFileSync(`/proc/${this.#company.world.gatewayPid}/status`, 'utf8')
    this.#peakKib = Math.max(this.#peakKib, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
  }

  async #settle(): Promise<void> {
    const until = Date.now() + settleMs
    while (Date.now() < until) {
      const { leases, open } = this.#store()
      if (leases + open + (await this.#company.roles()).length === 0) return
      await sleep(200)
    }
  }

  #store(): { leases: number; open: number } {
    const database = new Database(join(this.#company.world.data, 'state.db'), { readonly: true })
    const count = (from: string): number =>
      (database.prepare(`SELECT count(*) AS n FROM ${from}`).get() as { n: number }).n
    try {
      return { leases: count('leases'), open: count("sessions WHERE state = 'open'") }
    } finally {
      database.close()
    }
  }

  async #report(): Promise<Omit<SoakReport, 'seconds'>> {
    const { world } = this.#company
    const { leases, open } = this.#store()
    const opened = openedSessions(world.audit())
    const verified = await world.sallyport('verify', world.recordings)
    const problems = [...this.#problems]
    if (verified.code !== 0) problems.push(verified.stdout.toString().slice(-1000), verified.stderr)
    if (world.gatewayEnded) problems.push(`the gateway ended: ${world.log.slice(-2000)}`)
    const recorded = this.#recorded()
    return {
      version: this.#wish.version,
      seed: this.#wish.seed,
      opened: opened.length,
      answered: this.#answered.size,
      gatewayKills: this.#kills,
      workerKills: this.#workerKills,
      endings: this.#endings,
      peakMiB: Math.round(this.#peakKib / 1024),
      rolesLeft: (await this.#company.roles()).length,
      leasesLeft: leases,
      sessionsLeftOpen: open,
      withoutRecording: opened.filter(session => !recorded.sessions.has(session)).length,
      answeredButNotRecorded: [...this.#answered].filter(marker => !recorded.markers.has(marker)).length,
      verifies: verified.code === 0,
      problems,
    }
  }

  /** What the recordings hold: sessions, and markers of those that were answered. */
  #recorded(): { sessions: ReadonlySet<string>; markers: ReadonlySet<string> } {
    const { recordings } = this.#company.world
    const sessions = new Set<string>()
    const markers = new Set<string>()
    for (const name of readdirSync(recordings, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.sallyport')) continue
      const recording = readRecording(join(recordings, name))
      sessions.add(recording.header.session)
      for (const entry of sqlEntries(recording.events())) {
        const text = entry.kind === 'statement' ? entry.statement.text : undefined
        const marker = /^select '(soak \d+)'/.exec(text ?? '')?.[1]
        if (marker !== undefined) markers.add(marker)
      }
      recording.close()
    }
    return { sessions, markers }
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T
  }
}

/**
 * The audit log says that a session opens before anything else is done. Where nothing followed, the gateway was killed at that instant,
 * before there was a recording, let alone a connection to the target.
 */
function openedSessions(audit: readonly Record<string, unknown>[]): readonly string[] {
  const lines = Map.groupBy(audit, ({ session }) => session)
  const opened = audit.filter(({ kind }) => kind === 'session-open').map(({ session }) => session)
  return opened.filter(session => (lines.get(session)?.length ?? 0) > 1).map(String)
}
