/**
 * The demo's SSH server: knows no people and no keys, only the authority in whose name the gateway mints. It runs on ssh2's
 * own server, so the gateway talks to an implementation of the protocol that is not its own.
 */
import { spawn } from 'node:child_process'
import { generateKeyPairSync, verify } from 'node:crypto'
import type { Duplex, Writable } from 'node:stream'
import { type IPty, spawn as spawnTerminal } from '@lydell/node-pty'
import ssh2 from 'ssh2'
import { Fault } from '../errors.ts'
import { certificateAlgorithm, checkCertificate } from '../credentials/ssh-certificate.ts'
import { ed25519, openSshPrivateKey, publicKeyBlob, publicKeyLine } from '../credentials/ssh-key.ts'
import { WireReader } from '../wire.ts'
import { type Account, environmentOf, makeAccount } from './account.ts'

export type SshTargetServer = {
  readonly port: number
  /** `ssh-ed25519 AAAA… web1`, to pin in the configuration. */
  readonly hostKeyLine: string
  readonly close: () => Promise<void>
}

type Authentication = {
  method: string
  username: string
  key?: { algo: string; data: Buffer }
  signature?: Buffer
  blob?: Buffer
  accept: () => void
  reject: (methods?: string[]) => void
}

type Channel = Duplex & {
  stderr: Writable
  exit: (statusOrSignal: number | string, coreDumped?: boolean, message?: string) => void
}
type Size = { cols: number; rows: number }
type Terminal = Size & { term: string }

type ShellSession = {
  on(
    event: 'pty' | 'window-change',
    listener: (accept: (() => void) | undefined, reject: unknown, info: Terminal) => void,
  ): void
  on(event: 'signal', listener: (accept: unknown, reject: unknown, info: { name: string }) => void): void
  on(event: 'shell', listener: (accept: () => Channel) => void): void
  on(
    event: 'exec',
    listener: (accept: () => Channel, reject: unknown, info: { command: string }) => void,
  ): void
}
type Client = {
  on(event: 'authentication', listener: (context: Authentication) => void): void
  on(event: 'session', listener: (accept: () => ShellSession) => void): void
  on(event: 'error' | 'close', listener: (error?: Error) => void): void
  end(): void
}

/** Starts the server on loopback. Throws Fault PORT_IN_USE. */
export async function startSshTarget(options: { port: number; authority: Buffer }): Promise<SshTargetServer> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const account = makeAccount()
  const clients = new Set<Client>()
  const server = new ssh2.Server(
    { hostKeys: [openSshPrivateKey(privateKey)] },
    (client: Client, info: { ip: string }) => {
      clients.add(client)
      client.on('close', () => clients.delete(client))
      client.on('error', () => {})
      serve(client, info.ip, options.authority, account)
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.on('error', (cause: Error) => {
      account.remove()
      reject(
        new Fault('PORT_IN_USE', `The demo's SSH target cannot listen on port ${options.port}.`, { cause }),
      )
    })
    server.listen(options.port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as { port: number }).port,
    hostKeyLine: publicKeyLine(publicKeyBlob(privateKey), 'web1'),
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const client of clients) client.end()
      await closed
      account.remove()
    },
  }
}

function serve(client: Client, source: string, authority: Buffer, account: Account): void {
  let login = ''
  client.on('authentication', context => {
    login = context.username
    if (isTrusted(context, source, authority)) context.accept()
    else context.reject(['publickey'])
  })
  client.on('session', accept => startSession(accept(), account, () => login))
}

/** What sshd does with TrustedUserCAKeys: certificate, principal, source address and time, then the signature. */
function isTrusted(context: Authentication, source: string, authority: Buffer): boolean {
  const { key, signature, blob } = context
  if (context.method !== 'publickey' || key?.algo !== certificateAlgorithm) return false
  const certificate = checkCertificate(key.data, {
    type: 'user',
    authorities: [authority],
    principal: context.username,
    nowMs: Date.now(),
    sourceAddressMatches: list => list.split(',').includes(source.replace(/^::ffff:/, '')),
  })
  if (typeof certificate === 'string') return false
  if (signature === undefined || blob === undefined) return true // an offer; the signature comes next
  return verify(null, blob, certificate.publicKey, plainSignature(signature)) === true
}

/** For certificates ssh2 leaves the signature in its wrapping: algorithm, then 64 bytes. */
function plainSignature(signature: Buffer): Buffer {
  if (signature.length === 64) return signature
  const reader = new WireReader(signature)
  return reader.text() === ed25519 ? reader.string() : Buffer.alloc(0)
}

function startSession(session: ShellSession, account: Account, login: () => string): void {
  let terminal: Terminal | undefined
  let running: IPty | undefined
  session.on('pty', (accept, _, info) => {
    terminal = info
    accept?.()
  })
  session.on('window-change', (accept, _, info) => {
    running?.resize(Math.max(1, info.cols), Math.max(1, info.rows))
    accept?.()
  })
  const start = (channel: Channel, command: string | undefined): void => {
    const environment = environmentOf(account, login(), terminal?.term ?? 'dumb')
    if (terminal !== undefined) running = runInTerminal(channel, command, terminal, account, environment)
    else
      runPlain(channel, command, account, environment, signal =>
        session.on('signal', (_a, _r, info) => signal(info.name)),
      )
  }
  session.on('shell', accept => start(accept(), undefined))
  session.on('exec', (accept, _, info) => start(accept(), info.command))
}

function runInTerminal(
  channel: Channel,
  command: string | undefined,
  size: Terminal,
  account: Account,
  environment: Record<string, string>,
): IPty {
  const shellArguments = command === undefined ? ['--norc', '-i'] : ['-c', command]
  const isBash = account.shell.endsWith('bash')
  const terminal = spawnTerminal(account.shell, isBash ? shellArguments : shellArguments.slice(-2), {
    name: size.term || 'xterm',
    cols: Math.max(1, size.cols),
    rows: Math.max(1, size.rows),
    cwd: account.home,
    env: environment,
    encoding: null,
    ...account.ids,
  })
  // With `encoding: null` data are buffers, both ways, whatever the types say.
  terminal.onData(data => {
    if (channel.write(data)) return
    terminal.pause()
    channel.once('drain', () => terminal.resume())
  })
  channel.on('data', (data: Buffer) => terminal.write(data as unknown as string))
  channel.on('close', () => terminal.kill('SIGHUP'))
  terminal.onExit(({ exitCode }) => {
    channel.write(Buffer.alloc(0), () => {
      channel.exit(exitCode)
      channel.end()
    })
  })
  return terminal
}

function runPlain(
  channel: Channel,
  command: string | undefined,
  account: Account,
  environment: Record<string, string>,
  onSignal: (listener: (name: string) => void) => void,
): void {
  const child = spawn(account.shell, command === undefined ? [] : ['-c', command], {
    cwd: account.home,
    env: environment,
    stdio: 'pipe',
    ...account.ids,
  })
  channel.pipe(child.stdin)
  child.stdin.on('error', () => {}) // the program may not read its input
  child.stdout.pipe(channel, { end: false })
  child.stderr.pipe(channel.stderr, { end: false })
  onSignal(name => child.kill(`SIG${name}` as NodeJS.Signals))
  channel.on('close', () => child.kill('SIGHUP'))
  child.on('error', () => {
    channel.exit(127)
    channel.end()
  })
  child.on('close', (status, signal) => {
    channel.write(Buffer.alloc(0), () => {
      channel.stderr.write(Buffer.alloc(0), () => {
        if (signal === null) channel.exit(status ?? 255)
        else channel.exit(signal.replace(/^SIG/, ''), false, '')
        channel.end()
      })
    })
  })
}
