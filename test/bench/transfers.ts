/** Bulk data each way, with the standard streams of a command, SFTP, and scp's own protocol; and the CPU of who stands between. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { programPath } from '../support/openssh.ts'
import { type Company, type Way, ways } from './company.ts'
import { median, type Measurement } from './measurement.ts'
import { cpuSeconds } from './processes.ts'

const ciphers = ['aes128-gcm@openssh.com', 'chacha20-poly1305@openssh.com'] as const
type Cipher = (typeof ciphers)[number]

const kinds = ['ssh cat down', 'ssh cat up', 'sftp get', 'sftp put', 'scp -O from', 'scp -O to'] as const
type Kind = (typeof kinds)[number]

const bytesPerGiB = 1024 ** 3

type Sample = { readonly megabytesPerSecond: number; readonly cpuPerGiB: number | undefined }

export async function measureTransfers(
  company: Company,
  { rounds, megabytes }: { rounds: number; megabytes: number },
): Promise<readonly Measurement[]> {
  const source = join(company.folder, 'source')
  writeRandom(source, megabytes)
  const rows: Measurement[] = []
  for (const cipher of ciphers) {
    const lines = await openLines(company, cipher)
    for (const kind of kinds) rows.push(...(await compare(company, lines, kind, cipher, source, rounds)))
    for (const line of Object.values(lines)) await line.close()
  }
  rmSync(source)
  return rows
}

/** Like an archive: bytes that do not compress, so that the recording has all its work to do. */
function writeRandom(file: string, megabytes: number): void {
  const fd = openSync(file, 'w')
  const piece = randomBytes(1_000_000)
  for (let index = 0; index < megabytes; index++) {
    piece.writeUInt32BE(index)
    writeSync(fd, piece)
  }
  closeSync(fd)
}

async function compare(
  company: Company,
  lines: Record<Way, Line>,
  kind: Kind,
  cipher: Cipher,
  source: string,
  rounds: number,
): Promise<readonly Measurement[]> {
  const samples: Record<Way, Sample[]> = { direct: [], jump: [], sallyport: [] }
  for (let round = 0; round < rounds; round++)
    for (const way of ways) samples[way].push(await transfer(company, lines[way], way, kind, source))
  const speed = (way: Way): number => median(samples[way].map(sample => sample.megabytesPerSecond))
  const cpu = (way: Way): number => median(samples[way].map(sample => sample.cpuPerGiB ?? Number.NaN))
  const name = `${kind}, ${cipher.split('@')[0]?.split('-poly')[0]}`
  return [
    { what: name, unit: 'MB/s', direct: speed('direct'), jump: speed('jump'), sallyport: speed('sallyport') },
    {
      what: `CPU between, ${name}`,
      unit: 's/GiB',
      direct: undefined,
      jump: cpu('jump'),
      sallyport: cpu('sallyport'),
    },
  ]
}

async function transfer(company: Company, line: Line, way: Way, kind: Kind, source: string): Promise<Sample> {
  const bytes = statSync(source).size
  const copy = `${source}.copy`
  const between = way === 'direct' ? undefined : line.betweenPid(company)
  const before = between === undefined ? 0 : cpuSeconds(between)
  const began = performance.now()
  await run(line, kind, source, copy)
  const seconds = (performance.now() - began) / 1000
  if (kind !== 'ssh cat down' && kind !== 'ssh cat up' && statSync(copy).size !== bytes)
    throw new Error(`${kind} by ${way} copied ${statSync(copy).size} of ${bytes} bytes`)
  rmSync(copy, { force: true })
  await sleep(100) // what the recording writes after the last byte counts too
  const cpu = between === undefined ? undefined : cpuSeconds(between) - before
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    cpuPerGiB: cpu === undefined ? undefined : (cpu * bytesPerGiB) / bytes,
  }
}

function run(line: Line, kind: Kind, source: string, copy: string): Promise<void> {
  switch (kind) {
    case 'ssh cat down':
      return line.run('ssh', ['127.0.0.1', `cat ${source}`], { output: '/dev/null' })
    case 'ssh cat up':
      return line.run('ssh', ['127.0.0.1', 'cat >/dev/null'], { input: source })
    case 'sftp get':
      return line.run('sftp', ['-b', batch(copy, `get ${source} ${copy}`), '127.0.0.1'])
    case 'sftp put':
      return line.run('sftp', ['-b', batch(copy, `put ${source} ${copy}`), '127.0.0.1'])
    case 'scp -O from':
      return line.run('scp', ['-O', '-q', `127.0.0.1:${source}`, copy])
    case 'scp -O to':
      return line.run('scp', ['-O', '-q', source, `127.0.0.1:${copy}`])
  }
}

function batch(copy: string, command: string): string {
  writeFileSync(`${copy}.batch`, `${command}\n`)
  return `${copy}.batch`
}

/** A connection that stays (ControlMaster), so that signing in does not count. */
class Line {
  readonly #options: readonly string[]
  readonly #master: ChildProcess
  readonly #way: Way

  private constructor(way: Way, options: readonly string[], master: ChildProcess) {
    this.#way = way
    this.#options = options
    this.#master = master
  }

  static async open(company: Company, way: Way, cipher: Cipher): Promise<Line> {
    const control = join(company.folder, `${way}.control`)
    const options = [
      ...company.options(way, [`Ciphers=${cipher}`, 'KexAlgorithms=curve25519-sha256']),
      '-o',
      `ControlPath=${control}`,
    ]
    const master = spawn(programPath('ssh'), ['-M', '-N', ...options, '127.0.0.1'], { stdio: 'ignore' })
    while (!existsSync(control)) {
      if (master.exitCode !== null) throw new Error(`no connection: ${way}`)
      await sleep(20)
    }
    return new Line(way, options, master)
  }

  /** Whose CPU counts: the gateway, or the process of sshd that this connection has at the jump host. */
  betweenPid(company: Company): number {
    return this.#way === 'sallyport' ? company.world.gatewayPid : company.jumpSessionPid()
  }

  async run(
    program: 'ssh' | 'scp' | 'sftp',
    args: readonly string[],
    files: { input?: string; output?: string } = {},
  ): Promise<void> {
    const fds = [openSync(files.input ?? '/dev/null', 'r'), openSync(files.output ?? '/dev/null', 'w')]
    const child = spawn(programPath(program), [...this.#options, ...args], {
      stdio: [fds[0], fds[1], 'inherit'],
    })
    const code = await new Promise(resolve => child.once('close', resolve))
    for (const fd of fds) closeSync(fd)
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} by ${this.#way} ended with ${String(code)}`)
  }

  async close(): Promise<void> {
    const gone = new Promise(resolve => this.#master.once('exit', resolve))
    this.#master.kill()
    await gone
  }
}

async function openLines(company: Company, cipher: Cipher): Promise<Record<Way, Line>> {
  return {
    direct: await Line.open(company, 'direct', cipher),
    jump: await Line.open(company, 'jump', cipher),
    sallyport: await Line.open(company, 'sallyport', cipher),
  }
}
