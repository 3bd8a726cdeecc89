/** Real OpenSSH as the peer of our tests: finding its programs, running `ssh`, and an `sshd` of our own on loopback. */
import { execFileSync, spawn } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type TestContext } from 'vitest'

export type ProgramName =
  | 'ssh'
  | 'sshd'
  | 'ssh-keygen'
  | 'ssh-agent'
  | 'ssh-add'
  | 'scp'
  | 'sftp'
  | 'rsync'
  | 'git'
  | 'script'
  | 'ssh-audit'
  | 'plink'
  | 'sz'
  | 'rz'

/** Where servers live, whatever the PATH of an ordinary user says. */
const extraFolders = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin', '/bin']

/** The absolute path of each program that this machine has. */
export function findPrograms(...names: ProgramName[]): Partial<Record<ProgramName, string>> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...extraFolders].filter(f => f !== '')
  const found: Partial<Record<ProgramName, string>> = {}
  for (const name of names) {
    const path = folders.map(folder => join(folder, name)).find(isExecutable)
    if (path !== undefined) found[name] = path
  }
  return found
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The absolute path, for tests that `testWith` guards. */
export function programPath(name: ProgramName): string {
  const path = findPrograms(name)[name]
  if (path === undefined) throw new Error(`this machine has no ${name}`)
  return path
}

/**
 * `test`, for tests that need programs of this machine: without them the test is skipped and says which, or fails if
 * SALLYPORT_REQUIRE_PEERS=1 (as in CI).
 */
export function testWith(
  ...programs: ProgramName[]
): (name: string, run: (context: TestContext) => unknown, timeoutMs?: number) => void {
  const found = findPrograms(...programs)
  const missing = programs.filter(name => found[name] === undefined)
  return (name, run, timeoutMs) => {
    if (missing.length === 0)
      test(
        name,
        timeoutMs === undefined ? {} : { timeout: timeoutMs },
        async context => void (await run(context)),
      )
    else if (process.env['SALLYPORT_REQUIRE_PEERS'] === '1')
      test(name, () => Promise.reject(new Error(`missing: ${missing.join(', ')}`)))
    else test(name, context => context.skip(`needs ${missing.join(', ')}`))
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** A new folder for one test file, and the function that removes it. */
export function scratchFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sallyport-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export type KeyFiles = {
  readonly privateFile: string
  readonly publicFile: string
  /** PEM as OpenSSH writes it. */
  readonly privatePem: string
  /** `ssh-ed25519 AAAA… comment` */
  readonly publicLine: string
  readonly blob: Buffer
}

/** A key pair made by ssh-keygen. */
export function makeKey(
  folder: string,
  name: string,
  type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519',
): KeyFiles {
  const privateFile = join(folder, name)
  execFileSync(programPath('ssh-keygen'), ['-q', '-t', type, '-N', '', '-C', name, '-f', privateFile], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const publicLine = readFileSync(`${privateFile}.pub`, 'utf8').trim()
  return {
    privateFile,
    publicFile: `${privateFile}.pub`,
    privatePem: readFileSync(privateFile, 'utf8'),
    publicLine,
    blob: Buffer.from(publicLine.split(' ')[1] ?? '', 'base64'),
  }
}

export type Finished = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a program to its end; `input` goes to its stdin, which is then closed. */
export function run(
  program: string,
  args: readonly string[],
  o: { input?: string | Buffer; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: 'pipe',
      env: o.env ?? process.env,
      timeout: o.timeoutMs ?? 25_000,
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin.on('error', () => undefined) // the program may end before it read everything
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }),
    )
    child.stdin.end(o.input ?? '')
  })
}

/** Options that keep `ssh`, `scp` and `sftp` away from this machine's own configuration, agent and known hosts. */
export function isolatedSshOptions(
  port: number,
  o: { knownHosts?: string; identity?: string; extra?: readonly string[] } = {},
): string[] {
  const options = [
    `Port=${port}`,
    'ConnectTimeout=15',
    'IdentityAgent=none',
    `IdentityFile=${o.identity ?? 'none'}`,
    'IdentitiesOnly=yes',
    `StrictHostKeyChecking=${o.knownHosts === undefined ? 'no' : 'yes'}`,
    `UserKnownHostsFile=${o.knownHosts ?? '/dev/null'}`,
    'GlobalKnownHostsFile=/dev/null',
    ...(o.extra ?? []),
  ]
  return ['-F', 'none', ...options.flatMap(option => ['-o', option])]
}

/** Runs `ssh` against 127.0.0.1. */
export function runSsh(
  port: number,
  user: string,
  command: readonly string[],
  o: {
    knownHosts?: string
    identity?: string
    extra?: readonly string[]
    input?: string | Buffer
    env?: NodeJS.ProcessEnv
    timeoutMs?: number
  } = {},
): Promise<Finished> {
  return run(programPath('ssh'), [...isolatedSshOptions(port, o), '-l', user, '127.0.0.1', ...command], o)
}

export type SshdOptions = {
  /** Public key lines of the certificate authorities that may sign users in. */
  readonly trustedUserCaKeys?: readonly string[]
  /** Public key lines that may sign in as `user` without a certificate. */
  readonly authorizedKeys?: readonly string[]
  /** Who may sign in; default whoever runs the tests, and nobody else is possible unless that is root. */
  readonly user?: string
  /** Principals that a certificate may name for `user`; default the user name itself. */
  readonly principals?: readonly string[]
  readonly hostKeyTypes?: readonly ('ed25519' | 'ecdsa' | 'rsa')[]
  /** More lines for sshd_config; first mention wins there, and these come first. */
  readonly extraConfig?: string
}

export type Sshd = {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly user: string
  readonly pid: number
  /** Public host keys, in the order of `hostKeyTypes`. */
  readonly hostKeys: readonly KeyFiles[]
  readonly folder: string
  /** Everything logged so far, at LogLevel VERBOSE. */
  log(): string
  stop(): Promise<void>
}

/** An sshd of our own, as root or not, that knows only what `o` says. */
export async function startSshd(o: SshdOptions = {}): Promise<Sshd> {
  const { path: folder, remove } = scratchFolder()
  chmodSync(folder, 0o755)
  const user = o.user ?? userInfo().username
  const port = await freePort()
  const hostKeys = (o.hostKeyTypes ?? ['ed25519']).map(type => makeKey(folder, `host_${type}`, type))
  writeFileSync(join(folder, 'sshd_config'), sshdConfig(folder, port, user, hostKeys, o))
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }) // its empty chroot
  const logFile = join(folder, 'log')
  // An absolute path: sshd executes itself again for each connection.
  const child = spawn(programPath('sshd'), ['-D', '-f', join(folder, 'sshd_config'), '-E', logFile], {
    stdio: 'ignore',
  })
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const abandon = () => child.kill('SIGKILL') // a run that is cut short must not leave servers behind
  process.once('exit', abandon)
  const log = () => {
    try {
      return readFileSync(logFile, 'utf8')
    } catch {
      return ''
    }
  }
  const stop = async () => {
    process.removeListener('exit', abandon)
    child.kill()
    await exited
    remove()
  }
  await untilListening(port, () => child.exitCode === null, log)
  return { host: '127.0.0.1', port, user, pid: child.pid ?? 0, hostKeys, folder, log, stop }
}

function homeIn(folder: string): string {
  const home = join(folder, 'home')
  mkdirSync(home, { mode: 0o755 })
  return home
}

function sshdConfig(
  folder: string,
  port: number,
  user: string,
  hostKeys: readonly KeyFiles[],
  o: SshdOptions,
): string {
  const file = (name: string, lines: readonly string[]): string => {
    writeFileSync(join(folder, name), lines.map(line => `${line}\n`).join(''), { mode: 0o644 })
    return join(folder, name)
  }
  return [
    ...(o.extraConfig === undefined ? [] : [o.extraConfig]),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...hostKeys.map(key => `HostKey ${key.privateFile}`),
    `PidFile ${join(folder, 'pid')}`,
    'LogLevel VERBOSE',
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin yes',
    `AllowUsers ${user}`,
    'MaxStartups 200',
    'MaxSessions 200',
    'AcceptEnv LANG LC_*',
    'PrintMotd no',
    // Shells read no start files of whoever runs the tests.
    ...(o.extraConfig?.includes('SetEnv ') === true ? [] : [`SetEnv HOME=${homeIn(folder)}`]),
    ...(o.extraConfig?.includes('Subsystem sftp ') === true ? [] : ['Subsystem sftp internal-sftp']),
    ...(o.authorizedKeys === undefined
      ? ['AuthorizedKeysFile none']
      : [`AuthorizedKeysFile ${file('authorized_keys', o.authorizedKeys)}`]),
    ...(o.trustedUserCaKeys === undefined
      ? []
      : [
          `TrustedUserCAKeys ${file('user_ca', o.trustedUserCaKeys)}`,
          `AuthorizedPrincipalsFile ${file('principals', o.principals ?? [user])}`,
        ]),
    '',
  ].join('\n')
}

/** Rejects if the server died first. */
async function untilListening(port: number, alive: () => boolean, log: () => string): Promise<void> {
  for (;;) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (open) return
    if (!alive()) throw new Error(`sshd did not start: ${log()}`)
    await sleep(20)
  }
}
