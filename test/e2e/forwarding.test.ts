/** Forwards and the agent with plain ssh, through the gateway, to an sshd. Target and client are one machine here. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import {
  connect,
  createServer,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest'
import { freePort, isolatedSshOptions, makeKey, programPath, testWith } from '../support/openssh.ts'
import { type RawConfig, type SshRun, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd', 'ssh-agent', 'ssh-add')
const tenMegabytes = 10_000_000

let world: World
let forbidden: number
const at = (): string => `${world.login}@web1`
const servers: Server[] = []
const masters: Master[] = []

beforeAll(async () => {
  world = await World.start()
  forbidden = await freePort()
  forward()
})
afterAll(() => world?.stop())
afterEach(async () => {
  for (const master of masters.splice(0)) await master.stop()
  for (const server of servers.splice(0)) server.close()
})

/** The rule of the person, and a gateway that knows it. */
function configure(rule: RawConfig, more: RawConfig = {}): void {
  world.writeConfig(config => {
    Object.assign(config['roles'].admin.allow[0], rule)
    Object.assign(config, more)
  })
}
function forward(more: RawConfig = {}): void {
  configure(
    {
      channels: ['shell', 'exec', 'forward', 'agent'],
      forward: {
        to: [`127.0.0.1:1-${forbidden - 1}`, `127.0.0.1:${forbidden + 1}-65535`, `${world.folder}/**`],
        from: ['localhost:*', `${world.folder}/**`],
      },
    },
    more,
  )
}
async function reload(): Promise<void> {
  const before = reloads()
  world.reload()
  await world.until(() => reloads() > before)
}
const reloads = (): number => world.audit().filter(entry => entry['kind'] === 'reload').length

type Master = {
  readonly options: readonly string[]
  readonly stop: () => Promise<void>
  readonly stderr: () => string
}

/** One connection that stays, signed in; more channels go over it. */
async function master(...args: string[]): Promise<Master> {
  const options = [`ControlPath=${join(world.folder, `control-${randomBytes(4).toString('hex')}`)}`]
  let child: ChildProcess | undefined
  let stderr = ''
  const running = world.ssh(at(), {
    arguments: ['-M', '-N', ...args],
    extra: options,
    onStart: started => {
      child = started
      started.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    },
  })
  await world.until(
    async () => (await world.ssh(at(), { extra: options, arguments: ['-O', 'check'] })).code === 0,
  )
  const stop = async (): Promise<void> => {
    child?.kill('SIGTERM')
    await running
  }
  const opened = { options, stop, stderr: () => stderr }
  masters.push(opened)
  return opened
}

async function startAgent(socket: string): Promise<ChildProcess> {
  const agent = spawn(programPath('ssh-agent'), ['-D', '-a', socket], { stdio: 'ignore' })
  await world.until(() => existsSync(socket))
  return agent
}

/** A command with the agent forwarded. The first mention of an option counts. */
function withAgent(socket: string, command: string): Promise<SshRun> {
  const options = ['-o', `IdentityAgent=${socket}`, '-A', ...isolatedSshOptions(world.sshPort)]
  return world.runClient('ssh', [...options, '-l', at(), '127.0.0.1', command], {})
}

async function serve(onConnection: (socket: Socket) => unknown, path?: string): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    onConnection(socket)
  })
  servers.push(server)
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'string' ? 0 : (address as AddressInfo).port
}

const echo = (socket: Socket): void => void socket.pipe(socket)

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Connects, sends, ends, and reads to the end. */
async function exchange(options: NetConnectOpts, sent: Buffer | string): Promise<Buffer> {
  const socket = connect({ allowHalfOpen: true, ...options })
  socket.on('error', () => {})
  socket.end(sent)
  return readAll(socket)
}

const local = (port: number): NetConnectOpts => ({ host: '127.0.0.1', port })
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

/** Through SOCKS 5 (RFC 1928), as a browser or an editor does. */
async function throughSocks(proxy: number, port: number, sent: string): Promise<string> {
  const socket = connect({ ...local(proxy), allowHalfOpen: true } as NetConnectOpts)
  const next = async (bytes: number): Promise<Buffer> => {
    for (;;) {
      const data = socket.read(bytes) as Buffer | null
      if (data !== null) return data
      await once(socket, 'readable')
    }
  }
  socket.write(Buffer.from([5, 1, 0]))
  await next(2)
  socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]))
  expect((await next(10))[1]).toBe(0)
  socket.end(sent)
  return (await readAll(socket)).toString()
}

async function eventsOfLast(): Promise<{ type: string; fields: Record<string, unknown> }[]> {
  const row = await world.lastEnded()
  return world
    .eventsOf(row)
    .flatMap(({ event }) => ('fields' in event ? [{ type: event.type, fields: { ...event.fields } }] : []))
}

describe('where policy does not allow it', () => {
  test('no stream is opened, and ssh shows why', async () => {
    const port = await serve(echo)
    const run = await world.ssh(at(), { arguments: ['-W', `127.0.0.1:${port}`], input: 'x' })
    expect(run.stderr).toContain('sallyport: Policy does not allow forward here, only shell, exec, sftp.')
    expect(run.stdout.toString()).toBe('')
  })

  test('the target does not listen', async () => {
    const run = await world.ssh(at(), {
      arguments: ['-R', '0:127.0.0.1:1', '-N'],
      extra: ['ExitOnForwardFailure=yes'],
    })
    expect(run.code).not.toBe(0)
    expect(run.stderr).toContain('remote port forwarding failed')
  })

  test('the agent stays out of reach', async () => {
    const socket = join(world.folder, 'some-agent.sock')
    const agent = await startAgent(socket)
    const run = await withAgent(socket, 'echo "agent $SSH_AUTH_SOCK"')
    agent.kill()
    expect(run.stdout.toString()).toBe('agent \n')
    const events = await eventsOfLast()
    expect(events.find(({ type }) => type === 'request-refused')?.fields).toMatchObject({
      request: 'auth-agent-req@openssh.com',
      reason: 'Policy does not allow agent here, only shell, exec, sftp.',
    })
  })
})

describe('where policy allows it', () => {
  beforeAll(reload)

  test('-W carries a stream, and the recording describes it', async () => {
    const port = await serve(echo)
    const input = randomBytes(300_000)
    const run = await world.ssh(at(), { arguments: ['-W', `127.0.0.1:${port}`], input })
    expect(sha256(run.stdout)).toBe(sha256(input))
    const events = await eventsOfLast()
    expect(events.find(({ type }) => type === 'forward-open')?.fields).toMatchObject({
      kind: 'direct-tcpip',
      destination: `127.0.0.1:${port}`,
    })
    expect(events.find(({ type }) => type === 'forward-close')?.fields).toMatchObject({
      inputBytes: 300_000,
      outputBytes: 300_000,
    })
    const progress = events.filter(({ type, fields }) => type === 'progress' && fields['stream'] === 'input')
    expect(progress.at(-1)?.fields).toMatchObject({ bytes: 300_000, from: 0, sha256: sha256(input) })
  })

  test('places that no rule covers are refused with a sentence', async () => {
    for (const place of [`127.0.0.1:${forbidden}`, '10.0.0.1:80', 'localhost:80']) {
      const run = await world.ssh(at(), { arguments: ['-W', place] })
      expect(run.stderr).toContain(`sallyport: Policy does not allow forwards to ${place} here, only`)
    }
  })

  test('a stream to the SSH server of somebody else is flagged', async () => {
    const port = world.sshd?.port ?? 0
    await world.ssh(at(), { arguments: ['-W', `127.0.0.1:${port}`], input: 'SSH-2.0-inner\r\n' })
    const notes = (await eventsOfLast()).filter(({ type }) => type === 'forward-note')
    expect(notes.map(({ fields }) => fields['looksLike'])).toEqual(['ssh', 'ssh'])
  })

  test('-L carries ten megabytes each way, exactly, when the client ends first', async () => {
    const sent = randomBytes(tenMegabytes)
    const answer = randomBytes(tenMegabytes)
    let heard: Buffer | undefined
    const port = await serve(async socket => {
      heard = await readAll(socket)
      socket.end(answer)
    })
    const entry = await freePort()
    await master('-L', `${entry}:127.0.0.1:${port}`)
    const got = await exchange(local(entry), sent)
    expect(sha256(got)).toBe(sha256(answer))
    expect(sha256(heard ?? Buffer.alloc(0))).toBe(sha256(sent))
  })

  test('-L carries ten megabytes each way, exactly, when the server ends first', async () => {
    const sent = randomBytes(tenMegabytes)
    const answer = randomBytes(tenMegabytes)
    const heard = Promise.withResolvers<Buffer>()
    const port = await serve(socket => {
      socket.end(answer)
      heard.resolve(readAll(socket))
    })
    const entry = await freePort()
    await master('-L', `${entry}:127.0.0.1:${port}`)
    const socket = connect({ ...local(entry), allowHalfOpen: true } as NetConnectOpts)
    expect(sha256(await readAll(socket))).toBe(sha256(answer))
    socket.end(sent)
    expect(sha256(await heard.promise)).toBe(sha256(sent))
  })

  test('-L leads from a socket to a socket', async () => {
    const [here, there] = [join(world.folder, 'here.sock'), join(world.folder, 'there.sock')]
    await serve(echo, there)
    await master('-L', `${here}:${there}`)
    expect((await exchange({ path: here }, 'over sockets')).toString()).toBe('over sockets')
  })

  test('-L to a socket that no rule covers fails, and ssh shows why', async () => {
    const here = join(world.folder, 'nowhere.sock')
    const { stderr } = await master('-L', `${here}:/run/docker.sock`)
    expect((await exchange({ path: here }, 'x').catch(() => '')).toString()).toBe('')
    await world.until(() => stderr().includes('/run/docker.sock here, only'))
  })

  test('-R listens on a port, and on any that is free, and stops', async () => {
    const port = await serve(echo)
    const fixed = await freePort()
    const { options } = await master('-R', `${fixed}:127.0.0.1:${port}`)
    await expect.poll(async () => (await saidBy(fixed, 'hello')).toString()).toBe('hello')
    const any = await world.ssh(at(), {
      extra: options,
      arguments: ['-O', 'forward', '-R', `0:127.0.0.1:${port}`],
    })
    const chosen = Number(any.stdout.toString())
    expect(chosen).toBeGreaterThan(0)
    expect((await exchange(local(chosen), 'again')).toString()).toBe('again')
    await world.ssh(at(), { extra: options, arguments: ['-O', 'cancel', '-R', `${fixed}:127.0.0.1:${port}`] })
    await world.until(() => listensNoMore(fixed))
    await masters.pop()?.stop()
    const events = await eventsOfLast()
    expect(
      events.filter(({ type }) => type === 'forward-listening').map(({ fields }) => fields['place']),
    ).toEqual([`localhost:${fixed}`, `localhost:${chosen}`])
    expect(events.filter(({ type }) => type === 'forward-unlisten')).toHaveLength(1)
    expect(events.filter(({ fields }) => fields['kind'] === 'forwarded-tcpip')).toHaveLength(2)
  })

  test('-R listens on a socket', async () => {
    const port = await serve(echo)
    const socket = join(world.folder, 'listening.sock')
    await master('-R', `${socket}:127.0.0.1:${port}`)
    await world.until(() => existsSync(socket))
    expect((await exchange({ path: socket }, 'hello')).toString()).toBe('hello')
  })

  test('an editor works: it starts a server by a command and talks to it over -D, twenty times at once', async () => {
    const socks = await freePort()
    const { options } = await master('-D', String(socks))
    const script =
      'let n=0;const s=require("http").createServer((q,r)=>{r.end("you asked "+q.url);if(++n==20)s.close()});' +
      's.listen(0,"127.0.0.1",()=>console.log(s.address().port))'
    let said = ''
    const running = world.ssh(at(), {
      extra: options,
      command: [`'${process.execPath}' -e '${script}'`],
      onStart: child => child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString())),
    })
    await world.until(() => said.includes('\n'))
    const port = Number(said)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        throughSocks(socks, port, `GET /${index} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      ),
    )
    expect(
      answers.map(answer =>
        answer
          .split('\r\n\r\n')[1]
          ?.split('\r\n')
          .find(line => line.startsWith('you')),
      ),
    ).toEqual(answers.map((_, index) => `you asked /${index}`))
    expect((await running).code).toBe(0)
  })
})

describe('the agent', () => {
  test('is the person’s, shows its keys on the target and signs there, and the recording says so', async () => {
    const socket = join(world.folder, 'agent.sock')
    const agent = await startAgent(socket)
    try {
      const key = makeKey(world.folder, 'in-the-agent')
      const add = (...args: string[]): Buffer =>
        execFileSync(programPath('ssh-add'), args, {
          env: { ...process.env, SSH_AUTH_SOCK: socket },
          stdio: 'pipe',
        })
      add('-q', key.privateFile)
      const shown = add('-l').toString()
      const file = join(world.folder, 'signed')
      const [sshAdd, sshKeygen] = [programPath('ssh-add'), programPath('ssh-keygen')]
      const run = await withAgent(
        socket,
        `${sshAdd} -l; echo text >${file}; ${sshKeygen} -Y sign -n file -f ${key.publicFile} ${file}; ${sshAdd} -D`,
      )
      expect(run.stdout.toString()).toContain(shown)
      expect(readFileSync(`${file}.sig`, 'utf8')).toContain('BEGIN SSH SIGNATURE')
      expect(add('-l').toString()).toBe(shown) // what would have emptied it did not reach it
      const events = await eventsOfLast()
      const fingerprint = /SHA256:\S+/.exec(shown)?.[0]
      expect(
        events.filter(({ type }) => type === 'agent-request').map(({ fields }) => fields),
      ).toContainEqual(
        expect.objectContaining({ request: 'sign', fingerprint, purpose: 'file', namespace: 'file' }),
      )
      expect(events.some(({ fields }) => String(fields['reason']).includes('request 19'))).toBe(true)
    } finally {
      agent.kill()
    }
  })
})

test('where the configuration says so, the recording keeps what was forwarded', async () => {
  forward({ recording: { forwards: 'content' } })
  await reload()
  const port = await serve(echo)
  const input = randomBytes(100_000)
  await world.ssh(at(), { arguments: ['-W', `127.0.0.1:${port}`], input })
  const row = await world.lastEnded()
  expect(sha256(world.streamOf(row, 'input'))).toBe(sha256(input))
  expect(sha256(world.streamOf(row, 'output'))).toBe(sha256(input))
  forward()
  await reload()
})

describe('a connection that stays', () => {
  test('forwards nothing new once policy takes the right away', async () => {
    const port = await serve(echo)
    const { options } = await master()
    const before = await world.ssh(at(), {
      extra: options,
      arguments: ['-W', `127.0.0.1:${port}`],
      input: 'x',
    })
    expect(before.stdout.toString()).toBe('x')
    configure({ channels: ['shell', 'exec'] })
    await reload()
    const after = await world.ssh(at(), {
      extra: options,
      arguments: ['-W', `127.0.0.1:${port}`],
      input: 'x',
    })
    expect(after.stdout.toString()).toBe('')
    expect(after.code).not.toBe(0)
    const command = await world.ssh(at(), { extra: options, command: ['echo still here'] })
    expect(command.stdout.toString()).toBe('still here\n')
  })

  test('ends when what it forwards is no longer allowed', async () => {
    forward()
    await reload()
    const port = await serve(() => {})
    const entry = await freePort()
    const { stderr } = await master('-L', `${entry}:127.0.0.1:${port}`)
    const socket = connect(local(entry)).resume()
    socket.on('error', () => {})
    const closed = new Promise(resolve => socket.once('close', resolve))
    socket.write('x')
    await once(socket, 'connect')
    await world.until(async () => (await world.sessions())[0]?.state === 'open')
    configure({ channels: ['shell', 'exec'] })
    await reload()
    await closed
    expect(stderr()).toContain('Policy does not allow forward here')
  })
})

/** Nothing while nobody listens yet: a master is there before what it forwards. */
function saidBy(port: number, text: string): Promise<Buffer> {
  return exchange(local(port), text).catch(() => Buffer.alloc(0))
}

async function listensNoMore(port: number): Promise<boolean> {
  const socket = connect(local(port))
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}
