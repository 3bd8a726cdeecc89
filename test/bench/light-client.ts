/**
 * Many SSH connections from one process, so that what is measured is what they cost elsewhere. A child of the bench: it is told over
 * IPC what to do and answers each order once.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export type Place = { readonly port: number; readonly user: string; readonly privateFile: string }

export type Order =
  /** Opens so many shells, each on a connection of its own, `lanes` at a time; they stay. */
  | { kind: 'open'; to: Place; through?: Place; count: number; lanes: number }
  /** Signs in and leaves, `count` times, `lanes` at a time. */
  | { kind: 'logins'; to: Place; through?: Place; count: number; lanes: number }
  /** Types so many keys in every shell, one each `everyMs`, and waits for each to come back. */
  | { kind: 'echo'; keys: number; everyMs: number }
  | { kind: 'close' }
export type Answer = {
  readonly seconds: number
  readonly echoMs: readonly number[]
  readonly problem?: string
}

type Stream = Duplex & { close(): void }
/** What we use of ssh2's client, which has no types of its own. */
type Client = Duplex & {
  connect(options: object): void
  end(): void
  shell(pty: object, done: (error: Error | undefined, stream: Stream) => void): void
  forwardOut(
    fromHost: string,
    fromPort: number,
    host: string,
    port: number,
    done: (error: Error | undefined, stream: Stream) => void,
  ): void
}
const { Client: NewClient } = createRequire(import.meta.url)('ssh2') as { Client: new () => Client }

const algorithms = { kex: ['curve25519-sha256'], cipher: ['aes128-gcm@openssh.com'] }

class Shell {
  readonly #clients: readonly Client[]
  readonly #stream: Stream
  #heard: (() => void) | undefined

  private constructor(clients: readonly Client[], stream: Stream) {
    this.#clients = clients
    this.#stream = stream
    stream.on('data', () => this.#heard?.())
  }

  static async open(to: Place, through: Place | undefined): Promise<Shell> {
    const first = through === undefined ? undefined : await connected(through)
    const sock = first === undefined ? undefined : await forwarded(first, to.port)
    const client = await connected(to, sock)
    const stream = await new Promise<Stream>((resolve, reject) =>
      client.shell({ term: 'xterm-256color', cols: 80, rows: 24 }, (error, stream) =>
        error === undefined ? resolve(stream) : reject(error),
      ),
    )
    const shell = new Shell([client, ...(first === undefined ? [] : [first])], stream)
    await shell.#until(/[$#] $/)
    return shell
  }

  /** What is typed now comes back as it is. */
  async becomeEcho(): Promise<void> {
    this.#stream.write('stty raw -echo; echo re""ady; cat\r')
    await this.#until(/ready\s/)
  }

  async echoMs(): Promise<number> {
    const began = performance.now()
    const heard = new Promise<void>(resolve => (this.#heard = resolve))
    this.#stream.write('k')
    await heard
    return performance.now() - began
  }

  close(): void {
    for (const client of this.#clients) client.end()
  }

  #until(pattern: RegExp): Promise<void> {
    let shown = ''
    return new Promise(resolve => {
      const look = (chunk: Buffer): void => {
        shown += chunk.toString()
        if (!pattern.test(shown)) return
        this.#stream.off('data', look)
        resolve()
      }
      this.#stream.on('data', look)
    })
  }
}

function connected({ port, user, privateFile }: Place, sock?: Duplex): Promise<Client> {
  const client = new NewClient()
  return new Promise((resolve, reject) => {
    client.once('ready', () => resolve(client))
    client.on('error', reject)
    const where = sock === undefined ? { host: '127.0.0.1', port } : { sock }
    const privateKey = readFileSync(privateFile)
    client.connect({
      ...where,
      username: user,
      privateKey,
      algorithms,
      readyTimeout: 60_000,
      hostVerifier: () => true,
    })
  })
}

function forwarded(client: Client, port: number): Promise<Stream> {
  return new Promise((resolve, reject) =>
    client.forwardOut('127.0.0.1', 1, '127.0.0.1', port, (error, stream) =>
      error === undefined ? resolve(stream) : reject(error),
    ),
  )
}

async function signIn(to: Place, through: Place | undefined): Promise<void> {
  const first = through === undefined ? undefined : await connected(through)
  const client = await connected(to, first === undefined ? undefined : await forwarded(first, to.port))
  const gone = new Promise(resolve => client.once('close', resolve))
  client.end()
  await gone
  first?.end()
}

/** Does `work` so many times, `lanes` at a time. */
async function inLanes<T>(count: number, lanes: number, work: () => Promise<T>): Promise<T[]> {
  const done: T[] = []
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) done.push(await work())
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return done
}

const shells: Shell[] = []
let echoing = 0

async function obey(order: Order): Promise<readonly number[]> {
  switch (order.kind) {
    case 'open':
      shells.push(...(await inLanes(order.count, order.lanes, () => Shell.open(order.to, order.through))))
      return []
    case 'logins':
      await inLanes(order.count, order.lanes, () => signIn(order.to, order.through))
      return []
    case 'echo':
      return echo(order.keys, order.everyMs)
    case 'close':
      for (const shell of shells.splice(0)) shell.close()
      echoing = 0
      return []
  }
}

async function echo(keys: number, everyMs: number): Promise<readonly number[]> {
  await Promise.all(shells.slice(echoing).map(shell => shell.becomeEcho()))
  echoing = shells.length
  const type = async (shell: Shell, index: number): Promise<number[]> => {
    await sleep((everyMs * index) / shells.length) // people do not type in step
    const times: number[] = []
    for (let key = 0; key < keys; key++) {
      times.push(await shell.echoMs())
      await sleep(everyMs)
    }
    return times
  }
  return (await Promise.all(shells.map(type))).flat()
}

process.on('message', (order: Order) => {
  const began = performance.now()
  const answer = (rest: Omit<Answer, 'seconds'>): void =>
    void process.send?.({ seconds: (performance.now() - began) / 1000, ...rest })
  obey(order).then(
    echoMs => answer({ echoMs }),
    (cause: unknown) => answer({ echoMs: [], problem: String(cause) }),
  )
})
process.once('disconnect', () => process.exit())
