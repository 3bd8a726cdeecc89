/** A PostgreSQL server of our own on loopback: made, started and stopped, as an unprivileged user where we are root. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../errors.ts'

export type PostgresServerOptions = {
  /** Where `initdb` and `postgres` lie. */
  readonly binaries: string
  /** Everything of this server; must exist, and whoever runs it must be able to pass through the folders above it. */
  readonly folder: string
  readonly superuserPassword: string
  /** 0: a free one. */
  readonly port: number
  /** Lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
  /** Lines of pg_hba.conf, before the one that lets everybody in who has a password. */
  readonly hba?: readonly string[]
  /** In PEM. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientAuthority?: string }
}

export type PostgresServer = {
  readonly port: number
  /** What it has logged so far. */
  readonly log: () => string
  /** Fast shutdown, and waits for it. Safe to call twice. */
  readonly stop: () => Promise<void>
}

const startTimeoutMs = 60_000
const pollMs = 20
/** Another process may take the free port first. */
const portAttempts = 5
/** Of the log, so much goes into an error. */
const shownLogBytes = 2000

/** Whoever may run PostgreSQL: it refuses root. Undefined where we are not root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8').split('\n')
  const [, , uid, gid] = (line.find(entry => entry.startsWith('nobody:')) ?? 'nobody:x:65534:65534').split(
    ':',
  )
  return { uid: Number(uid), gid: Number(gid) }
}

/** Makes the server's files and starts it. Throws a Fault with the end of its log. */
export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const who = unprivileged()
  const give = (path: string): string => {
    if (who !== undefined) chownSync(path, who.uid, who.gid)
    return path
  }
  give(options.folder)
  await makeCluster(options, give, who)
  for (let attempt = 1; ; attempt++) {
    const port = options.port === 0 ? await freePort() : options.port
    const server = await tryStart(options, port, who)
    if (typeof server !== 'string') return server
    const again = options.port === 0 && attempt < portAttempts && server.includes('Address already in use')
    if (!again) throw new Fault('PORT_IN_USE', `PostgreSQL does not start on port ${port}: ${server}`)
  }
}

type Give = (path: string) => string
type Who = ReturnType<typeof unprivileged>

async function makeCluster(options: PostgresServerOptions, give: Give, who: Who): Promise<void> {
  const { folder, binaries, superuserPassword, hba = [], tls } = options
  const data = dataOf(folder)
  mkdirSync(data, { mode: 0o700 })
  give(data)
  const passwordFile = join(folder, 'superuser-password')
  write(passwordFile, superuserPassword, give)
  const args = ['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
  const initdb = spawn(join(binaries, 'initdb'), [...args, '--no-sync', '-E', 'UTF8', '--locale=C'], {
    ...who,
    env: environment(),
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = await outputOf(initdb)
  rmSync(passwordFile)
  if (initdb.exitCode !== 0)
    throw new Fault('UPSTREAM_FAILED', `PostgreSQL cannot make its files: ${text.trim()}`)
  const everybody = ['127.0.0.1/32', '::1/128'].map(network => `host all all ${network} scram-sha-256`)
  write(join(data, 'pg_hba.conf'), [...hba, ...everybody, ''].join('\n'), give)
  if (tls === undefined) return
  write(join(data, 'server.crt'), tls.certificate, give)
  write(join(data, 'server.key'), tls.key, give)
  if (tls.clientAuthority !== undefined) write(join(data, 'root.crt'), tls.clientAuthority, give)
}

/** The server, or the end of its log. */
async function tryStart(
  options: PostgresServerOptions,
  port: number,
  who: Who,
): Promise<PostgresServer | string> {
  const logFile = join(options.folder, 'log')
  const out = openSync(logFile, 'w', 0o600)
  const args = Object.entries(settingsOf(options, port)).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const command = [join(options.binaries, 'postgres'), '-D', dataOf(options.folder), ...args]
  const guard = spawn('/bin/sh', ['-c', guardScript, 'sh', ...command], {
    ...who,
    env: environment(),
    cwd: options.folder,
    stdio: ['pipe', out, out],
    detached: true, // Ctrl-C at the terminal is for us to pass on
  })
  closeSync(out)
  const exited = once(guard, 'exit')
  const log = (): string => readFileSync(logFile, 'utf8')
  const stop = async (): Promise<void> => {
    guard.stdin?.end()
    await exited
  }
  if (await isReady(log)) return { port, log, stop }
  await stop()
  return log().slice(-shownLogBytes).trim()
}

/** Stops the server when its standard input ends: however we go, the server goes too. */
const guardScript = '"$@" & server=$!; cat > /dev/null; kill -INT "$server"; wait "$server"'

function settingsOf({ folder, settings, tls }: PostgresServerOptions, port: number): Record<string, string> {
  return {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '', // their paths may be longer than sockets allow
    fsync: 'off', // nothing here outlives the machine
    shared_buffers: '32MB',
    dynamic_shared_memory_type: 'posix',
    ...(tls === undefined ? {} : { ssl: 'on' }),
    ...(tls?.clientAuthority === undefined ? {} : { ssl_ca_file: join(dataOf(folder), 'root.crt') }),
    ...settings,
  }
}

async function isReady(log: () => string): Promise<boolean> {
  const untilMs = Date.now() + startTimeoutMs
  while (Date.now() < untilMs) {
    const text = log()
    if (text.includes('ready to accept connections')) return true
    if (/^\S.*(FATAL|could not|not found|denied)/m.test(text)) return false
    await sleep(pollMs)
  }
  return false
}

/** Messages in English, whatever the machine speaks: some are looked for. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
}

function dataOf(folder: string): string {
  return join(folder, 'data')
}

function write(file: string, text: string, give: Give): void {
  writeFileSync(file, text, { mode: 0o600 })
  give(file)
}

async function outputOf(child: ChildProcess): Promise<string> {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-shownLogBytes)))
  await once(child, 'close')
  return text
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise(closed => server.close(closed))
  return typeof address === 'object' && address !== null ? address.port : 0
}
