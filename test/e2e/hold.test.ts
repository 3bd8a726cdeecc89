/** A session that waits, seen by real clients: ssh at a terminal, psql in a worker process; paused by a reviewer, by policy, and until a sign-in. */
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Me, SessionDetail, SessionPage } from '../../src/api/schema.ts'
import { carriesData } from '../../src/recorder/event.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { testWith } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { finish, type Person, type World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')

let company: PostgresWorld
let world: World
let auditor: Tool
let owner: Tool

beforeAll(async () => {
  company = await PostgresWorld.start({
    sshd: true,
    configure: config => {
      config['postgres'].workers = 1
      config['analysis'] = { budget: 50, baselines: { enabled: false } }
      config['roles'].database.on = [
        { finding: { rule: 'PG-17' }, do: 'pause', wait: '5m' },
        { finding: { rule: 'PG-03' }, do: 'step-up', wait: '5m' },
      ]
    },
  })
  ;({ world } = company)
  auditor = await new Tool().signIn(people.ben)
  owner = await new Tool().signIn(people.ada)
}, 120_000)
afterAll(async () => await company?.stop())

class Tool {
  readonly #browser = new Browser()
  #token = ''

  async signIn(person: Person): Promise<this> {
    await this.#browser.signInAt(await this.#browser.open(`${world.webUrl}/sign-in`), person)
    this.#token = (await this.get<Me>('/me')).formToken
    return this
  }

  ask(path: string, body?: unknown): Promise<Response> {
    const cookie = { Cookie: `sallyport=${this.#browser.cookie('sallyport') ?? ''}` }
    const change = { 'Content-Type': 'application/json', 'X-Sallyport-Token': this.#token }
    return fetch(`${world.webUrl}/api/v1${path}`, {
      headers: { ...cookie, ...(body === undefined ? {} : change) },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
  }

  async get<T>(path: string): Promise<T> {
    return (await (await this.ask(path)).json()) as T
  }

  async act(session: string, what: 'pause' | 'resume' | 'end', reason = 'case 9'): Promise<number> {
    return (await this.ask(`/sessions/${session}/${what}`, { reason })).status
  }
}

/** The one that is open now. */
async function open(): Promise<string> {
  let id: string | undefined
  await world.until(async () => {
    id = (await auditor.get<SessionPage>('/sessions?state=open')).items[0]?.id
    return id !== undefined
  })
  return id ?? ''
}

const detail = (id: string) => auditor.get<SessionDetail>(`/sessions/${id}`)
const told = (kind: string) => world.audit().filter(line => line['kind'] === kind)
const isHeld = async (id: string): Promise<boolean> => (await detail(id)).held !== undefined

/** psql whose statements come when the test says so. */
async function startPsql(): Promise<{ child: ChildProcess; done: ReturnType<typeof finish>; id: string }> {
  const child = company.start('psql', ['-X', '-A', '-t'], await company.environment())
  const done = finish(child)
  let shown = ''
  child.stdout?.on('data', (part: Buffer) => (shown += part.toString()))
  child.stdin?.write("SELECT 'ready';\n")
  await world.until(() => shown.includes('ready'))
  return { child, done, id: await open() }
}

/** What the recording holds of the target's output. */
async function recordedOutput(id: string): Promise<string> {
  await world.until(async () => (await detail(id)).state === 'ended')
  const row = (await world.sessions()).find(one => one.id === id)
  if (row === undefined) throw new Error('the session is gone')
  return Buffer.concat(
    world
      .eventsOf(row)
      .flatMap(({ event }) => (carriesData(event) && event.type === 'output' ? [event.data] : [])),
  ).toString()
}

test('whoever sits at a terminal reads why nothing happens, what becomes of what is typed, and when it goes on', async () => {
  // A client that asks every second whether we are there gives up after two: a pause must not cut it.
  const extra = ['ServerAliveInterval=1', 'ServerAliveCountMax=2']
  const working = await world.terminal(`${world.login}@web1`, { extra })
  await working.waitFor(/[$#] $/)
  const id = await open()
  expect(await owner.act(id, 'pause')).toBe(404)
  expect(await auditor.act(id, 'pause')).toBe(204)
  await working.waitFor(/sallyport: This session is held\. A reviewer has paused it: case 9\./)
  await working.waitFor(/ends, and what waits is dropped\.\r\n/)
  working.type('echo typed-$((40+2))\r')
  await new Promise(resolve => setTimeout(resolve, 3000))
  const [row] = (await auditor.get<SessionPage>('/sessions?state=open')).items
  expect(row).toMatchObject({ id, held: { kind: 'pause' } })
  expect(await auditor.act(id, 'pause')).toBe(409)
  expect(await auditor.act(id, 'resume', 'looked at it')).toBe(204)
  await working.waitFor(/sallyport: This session goes on\. What you sent meanwhile is passed on now\./)
  await working.waitFor(/typed-42/)
  expect(await isHeld(id)).toBe(false)
  const byHand = (act: string) => world.sallyport('sessions', act, id, '--reason', 'an alarm')
  expect((await byHand('pause')).stdout.toString()).toBe(`Session ${id} is paused.\n`)
  await working.waitFor(/An operator has paused it: an alarm\./)
  expect((await byHand('resume')).stdout.toString()).toBe(`Session ${id} goes on.\n`)
  await auditor.act(id, 'pause')
  await working.waitFor(/This session is held\./)
  working.type('echo never-$((40+2))\r')
  await new Promise(resolve => setTimeout(resolve, 500))
  expect(await auditor.act(id, 'end', 'enough')).toBe(204)
  await working.waitFor(
    /This session was ended: enough\. What you sent while it was held was not passed on\./,
  )
  await working.exit()
  const output = await recordedOutput(id)
  expect(output).toContain('typed-42')
  expect(output).not.toMatch(/never-42|This session|sallyport:/)
  expect(told('session-held').map(line => [line['session'], line['reason'], line['name']])).toEqual([
    [id, 'case 9', 'ben@example.com'],
    [id, 'an alarm', undefined],
    [id, 'case 9', 'ben@example.com'],
  ])
  expect(told('session-released')).toMatchObject([
    { session: id, by: 'ben@example.com', reason: 'looked at it' },
    { session: id, by: expect.stringMatching(/^local user/) as string, reason: 'an alarm' },
  ])
}, 120_000)

test('a client that leaves while its session is held ends it', async () => {
  const working = await world.terminal(`${world.login}@web1`)
  await working.waitFor(/[$#] $/)
  const id = await open()
  await auditor.act(id, 'pause')
  await working.waitFor(/This session is held/)
  working.type('\r~.')
  await working.exit()
  await world.until(async () => (await detail(id)).state === 'ended')
  expect((await detail(id)).endReason).toMatch(/^the client/)
}, 60_000)

test('psql in a worker process: a statement waits with a notice, and is run when a reviewer lets it', async () => {
  const { child, done, id } = await startPsql()
  expect(await auditor.act(id, 'pause')).toBe(204)
  await world.until(() => isHeld(id))
  child.stdin?.end("SELECT 'after' || 'wards';\n")
  await new Promise(resolve => setTimeout(resolve, 500))
  expect(await auditor.act(id, 'resume', 'looked at it')).toBe(204)
  const { stdout, stderr } = await done
  expect(stdout.toString()).toContain('afterwards')
  expect(stderr).toContain('NOTICE:  sallyport: This session is held. A reviewer has paused it: case 9.')
  expect(stderr).toContain('NOTICE:  sallyport: This session goes on.')
  await recordedOutput(id)
}, 60_000)

test('a rule that policy answers with a pause holds a session of a worker, too', async () => {
  const { child, done, id } = await startPsql()
  child.stdin?.write('DO $$ BEGIN PERFORM 1; END $$;\n')
  await world.until(() => isHeld(id))
  expect(told('session-held').at(-1)).toMatchObject({ session: id, do: 'pause', open: true })
  child.stdin?.end("SELECT 'after' || 'wards';\n")
  expect((await world.sallyport('findings', 'resume', id)).code).toBe(0)
  const { stdout, stderr } = await done
  expect(stdout.toString()).toContain('afterwards')
  expect(stderr).toContain('Policy has paused it until a reviewer lets it go on.')
  const row = (await world.sessions()).find(one => one.id === id)
  expect(row?.state).not.toBe('interrupted')
  await recordedOutput(id)
}, 60_000)

test('a session of a worker that waits for a sign-in goes on with one', async () => {
  const { child, done, id } = await startPsql()
  child.stdin?.write('COPY (SELECT generate_series(1, 5000)) TO STDOUT;\n')
  await world.until(() => isHeld(id))
  expect((await detail(id)).held?.kind).toBe('step-up')
  child.stdin?.end("SELECT 'after' || 'wards';\n")
  await new Tool().signIn(people.ada)
  const { stdout, stderr } = await done
  expect(stdout.toString()).toContain('afterwards')
  expect(stderr).toContain(`${world.webUrl}/sign-in/start?again=1`)
  expect(told('session-released').at(-1)).toMatchObject({ session: id, by: 'their own sign-in' })
  await recordedOutput(id)
}, 60_000)

test('a worker that does not say that a session waits is told to end it', async () => {
  const { child, done, id } = await startPsql()
  const worker = Number(readFileSync(join(world.data, 'workers', '1', 'pid'), 'utf8'))
  process.kill(worker, 'SIGSTOP')
  try {
    expect(await auditor.act(id, 'pause')).toBe(409)
  } finally {
    process.kill(worker, 'SIGCONT')
  }
  await world.until(async () => (await detail(id)).state === 'ended')
  child.stdin?.end('SELECT 1;\n')
  const { stderr } = await done
  expect(stderr).toContain('This session was to be held, which could not be made sure of, so it ends.')
  expect((await detail(id)).endReason).toBe('was to be held, and its process did not say that it is')
}, 60_000)
