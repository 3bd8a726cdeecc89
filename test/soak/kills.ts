/**
 * `npm run soak -- kills [--count N] [--minutes N] [--seed N]`: the gateway is killed −9 at random instants under SSH and SQL load, also while it starts
 * and finishes what the kill before it left. In the end every recording reads, verifies and is sealed, whatever a client got is in one, and the
 * audit log and the log of sessions prove themselves.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { parseClientKey } from '../../src/identity/client-key.ts'
import { issueSignInCertificate } from '../../src/identity/sign-in-certificate.ts'
import { parsePublicKeyLine } from '../../src/identity/user-key.ts'
import { issueX509SignIn } from '../../src/identity/x509-sign-in.ts'
import { isolatedSshOptions, programPath } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { finish } from '../support/world.ts'
import { recordedIn, unrecorded } from '../support/disk/load.ts'
import { randomFrom } from './random.ts'

/** Clients of each protocol at once. */
const lanes = 2
/** A kill comes up to so long after a session has opened, or while it opens. */
const lifeMs = 600
/** One kill in so many comes while the gateway starts: it recovers then. */
const startKillEvery = 6

export type KillsReport = {
  readonly kills: number
  readonly whileStarting: number
  readonly seed: number
  readonly seconds: number
  /** Sessions that a client got something from. */
  readonly sessions: number
  readonly recordings: number
  readonly bytesGot: number
  readonly unreadable: number
  readonly unsealed: number
  readonly unrecorded: readonly string[]
  /** Recordings, audit log and log of sessions. */
  readonly verifies: boolean
  readonly problems: readonly string[]
}

export async function soakKills(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: 'string', default: '1000' },
      minutes: { type: 'string', default: '600' },
      seed: { type: 'string' },
    },
  })
  const report = await runKills({
    count: Number(values.count),
    untilMs: Date.now() + Number(values.minutes) * 60_000,
    seed: Number(values.seed ?? Date.now() % 1_000_000_000),
    onProgress: kills => {
      if (kills % 50 === 0) console.log(`${kills} kills`)
    },
  })
  console.log(report)
  return isClean(report)
}

export function isClean(report: KillsReport): boolean {
  const { unreadable, unsealed, verifies, problems } = report
  return unreadable + unsealed + report.unrecorded.length + problems.length === 0 && verifies
}

export type KillsWish = {
  readonly count: number
  /** No kill begins after that. */
  readonly untilMs?: number
  readonly seed: number
  readonly onProgress?: (kills: number) => void
}

export async function runKills(wish: KillsWish): Promise<KillsReport> {
  const company = await PostgresWorld.start({ version: 15, sshd: true, logLevel: 'info' })
  try {
    return await new Kills(company, wish).run()
  } finally {
    await company.stop()
  }
}

type Seen = { readonly marker: string; got: string }

class Kills {
  readonly #company: PostgresWorld
  readonly #wish: KillsWish
  readonly #random: () => number
  readonly #seen: Seen[] = []
  readonly #problems: string[] = []
  #sshKey = ''
  #tls = { key: '', certificate: '' }
  #begun = 0
  #kills = 0
  #answered = 0
  #whileStarting = 0
  /** How long it takes to open a session here and now, so that random points lie around it. */
  #openingMs = 1000

  constructor(company: PostgresWorld, wish: KillsWish) {
    this.#company = company
    this.#wish = wish
    this.#random = randomFrom(wish.seed)
  }

  async run(): Promise<KillsReport> {
    const began = Date.now()
    await this.#certify()
    const { count, untilMs = Infinity } = this.#wish
    while (this.#kills < count && Date.now() < untilMs && this.#problems.length === 0) await this.#cycle()
    await this.#company.world.until(async () =>
      (await this.#company.world.sessions()).every(({ state }) => state !== 'open'),
    )
    await this.#company.world.killGateway('SIGTERM')
    return { ...(await this.#report()), seconds: Math.round((Date.now() - began) / 1000) }
  }

  /** One life of the gateway, and sometimes a start that does not come to its end. */
  async #cycle(): Promise<void> {
    const { world } = this.#company
    const clients = Array.from({ length: lanes }, () => [this.#ssh(), this.#sql()]).flat()
    const before = this.#answered
    await sleep(this.#random() * (1.5 * this.#openingMs + lifeMs))
    if (this.#answered === before) this.#openingMs = Math.min(20_000, this.#openingMs * 1.3)
    if (world.gatewayEnded) this.#problems.push(`the gateway ended: ${world.log.slice(-2000)}`)
    await this.#kill()
    await Promise.all(clients)
    if (this.#kills % startKillEvery === 0) await this.#killWhileStarting()
    await world.startGateway()
  }

  async #killWhileStarting(): Promise<void> {
    const { world } = this.#company
    const starting = world.startGateway().catch(() => {}) // it is killed
    await sleep(this.#random() * 1000)
    this.#whileStarting++
    await this.#kill()
    await starting
  }

  async #kill(): Promise<void> {
    await this.#company.world.killGateway('SIGKILL')
    this.#kills++
    this.#wish.onProgress?.(this.#kills)
  }

  #ssh(): Promise<void> {
    const { world } = this.#company
    const marker = `ssh ${this.#begun++}`
    // Some slowly, as people do; some as fast as it goes.
    const pause = this.#random() < 0.5 ? 'sleep 0.01' : ':'
    const args = [
      ...isolatedSshOptions(world.sshPort, { extra: ['BatchMode=yes', `IdentityFile=${this.#sshKey}`] }),
      '-l',
      `${world.login}@web1`,
      '127.0.0.1',
      `i=0; while :; do echo "${marker} $i"; i=$((i+1)); ${pause}; done`,
    ]
    return this.#look(marker, spawn(programPath('ssh'), args, { stdio: 'pipe' }), () => {})
  }

  #sql(): Promise<void> {
    const marker = `sql ${this.#begun++}`
    const child = this.#company.start('psql', ['-X', '-A', '-t', '-q'], {
      PGHOST: 'localhost',
      PGPORT: String(this.#company.port),
      PGUSER: 'app_readonly@orders',
      PGDATABASE: 'app',
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: this.#company.authorityFile,
      PGSSLCERT: this.#tls.certificate,
      PGSSLKEY: this.#tls.key,
      HOME: this.#company.world.folder,
    })
    let asked = 0
    const ask = (): void => void child.stdin?.write(`select '${marker} ${asked++}';\n`)
    ask()
    return this.#look(marker, child, got => {
      if (got.endsWith('\n')) ask()
    })
  }

  async #look(marker: string, child: ChildProcess, onData: (got: string) => void): Promise<void> {
    const seen = { marker, got: '' }
    const began = Date.now()
    this.#seen.push(seen)
    child.stdout?.once('data', () => {
      this.#answered++
      this.#openingMs = 0.9 * this.#openingMs + 0.1 * (Date.now() - began)
    })
    child.stdout?.on('data', (chunk: Buffer) => {
      seen.got += chunk.toString()
      onData(seen.got)
    })
    await finish(child)
  }

  /** A key and certificates that sign in without a browser, whatever gateway runs. */
  async #certify(): Promise<void> {
    const { world } = this.#company
    const folder = join(world.folder, 'client')
    mkdirSync(folder)
    const file = (name: string): string => join(folder, name)
    execFileSync(programPath('ssh-keygen'), ['-q', '-t', 'ed25519', '-N', '', '-f', file('ssh')])
    execFileSync('openssl', ['genpkey', '-algorithm', 'ED25519', '-out', file('tls.key')], {
      stdio: 'ignore',
    })
    const publicPem = execFileSync('openssl', ['pkey', '-in', file('tls.key'), '-pubout']).toString()
    const sshKey = parsePublicKeyLine(readFileSync(file('ssh.pub'), 'utf8'))
    const tlsKey = parseClientKey(publicPem)
    if (sshKey === undefined || tlsKey === undefined)
      throw new Error('a key that was just made cannot be read')
    const nowMs = Date.now()
    const { issuer } = (parse(readFileSync(world.configFile, 'utf8')) as { identity: { issuer: string } })
      .identity
    const wish = {
      gatewayName: 'bastion.test',
      lifetimeMs: 24 * 3_600_000,
      nowMs,
      principal: {
        issuer,
        subject: 'soak',
        name: 'soak@example.com',
        email: 'soak@example.com',
        emailVerified: true,
        groups: ['admins'],
        authenticatedAtMs: nowMs,
        expiresAtMs: nowMs + 24 * 3_600_000,
      },
    }
    const ssh = await issueSignInCertificate({ ...wish, key: sshKey }, world.authorities['sign-in'])
    const tls = await issueX509SignIn({ ...wish, key: tlsKey }, world.authorities['sign-in-x509'])
    const line = `ssh-ed25519-cert-v01@openssh.com ${ssh.blob.toString('base64')}\n`
    writeFileSync(`${file('ssh')}-cert.pub`, line)
    writeFileSync(file('tls.crt'), tls.pem)
    this.#sshKey = file('ssh')
    this.#tls = { key: file('tls.key'), certificate: file('tls.crt') }
  }

  async #report(): Promise<Omit<KillsReport, 'seconds'>> {
    const { world } = this.#company
    const verified = await world.sallyport('verify', world.data)
    const said = verified.stdout.toString() + verified.stderr
    const recorded = recordedIn(world.recordings)
    const missing = unrecorded(recorded, this.#seen)
    const bytesGot = this.#seen.reduce((sum, { got }) => sum + got.length, 0)
    const sessions = this.#seen.filter(({ got }) => got !== '').length
    const problems = [...this.#problems]
    if (verified.code !== 0) problems.push(said.slice(-2000))
    if (sessions < this.#kills / 4) problems.push(`only ${sessions} sessions came to anything`)
    return {
      kills: this.#kills,
      whileStarting: this.#whileStarting,
      seed: this.#wish.seed,
      sessions,
      recordings: recorded.files,
      bytesGot,
      unreadable: recorded.unreadable.length,
      unsealed: (said.match(/not sealed/g) ?? []).length,
      unrecorded: missing,
      verifies: verified.code === 0,
      problems: [...problems, ...recorded.unreadable],
    }
  }
}
