/** What happens goes out: with real sessions, real receivers, and a gateway that is killed in the middle. */
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, vi } from 'vitest'
import type { SessionDetail, SessionPage } from '../../src/api/schema.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { testWith } from '../support/openssh.ts'
import { receiverSecret, SignedReceiver } from '../support/receiver.ts'
import { type RawConfig, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World
let receiver: SignedReceiver

function configure(config: RawConfig, more: object = {}): void {
  config['notify'] = [
    { file: 'events.ndjson', content: true },
    {
      name: 'soc',
      webhook: receiver.url,
      secret: 'env:SOC_SECRET',
      events: ['session-*', 'ask-*'],
      may: ['end', 'require-review'],
      attempts: 1,
      ...more,
    },
  ]
}

beforeAll(async () => {
  receiver = await SignedReceiver.start()
  world = await World.start({ configure, environment: { SOC_SECRET: receiverSecret } })
}, 60_000)
afterAll(async () => {
  await world?.stop()
  receiver?.stop()
})

/** Of the audit log, in its order. */
function sessionEntries(): string[] {
  return world
    .audit()
    .filter(({ kind }) => kind === 'session-open' || kind === 'session-close')
    .map(({ kind, session }) => `${String(kind)} ${String(session)}`)
}

/** Each once, by the id that says which are the same, in the order of the first. */
function told(): string[] {
  const first = new Map(receiver.received.map(one => [one.id, `${one.type} ${one.session}`]))
  return [...first.values()].filter(text => text.startsWith('session-'))
}

/** What the command line would say and get, at once. */
function admin(path: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const socketPath = join(world.data, 'admin.sock')
    const method = body === undefined ? 'GET' : 'POST'
    request({ socketPath, path, method, headers: { host: 'admin' }, agent: false }, incoming => {
      let text = ''
      incoming.on('data', (part: Buffer) => (text += part.toString()))
      incoming.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body))
  })
}

type State = { sinks: { sink: string; backlog: number }[]; letters: { id: string }[] }
const state = async (): Promise<State> => JSON.parse(await admin('/notify')) as State

type Line = {
  metadata: { uid: string; event_code: string }
  process?: { cmd_line: string }
  device?: { hostname: string }
}

function linesOfFile(): Line[] {
  const lines = readFileSync(join(world.folder, 'events.ndjson'), 'utf8').split('\n')
  return lines.filter(line => line.endsWith('}')).map(line => JSON.parse(line) as Line)
}

/** Until everything is told of what is in the audit log by now. */
async function quiet(): Promise<void> {
  await world.lastEnded()
  await world.until(async () => (await state()).sinks.every(({ backlog }) => backlog === 0))
}

const sshTrue = () => world.ssh(`${world.login}@web1`, { command: ['true'] })

test('kill -9 in the middle of a delivery: every opening and closing arrives at least once, in the order of the audit log', async () => {
  receiver.answer((_, response) => void setTimeout(() => response.end(), 100))
  const running = Array.from({ length: 4 }, sshTrue)
  await world.until(() => told().length >= 2)
  expect(told().length).toBeLessThan(sessionEntries().length)
  await world.killGateway('SIGKILL')
  await Promise.all(running)
  await world.startGateway()
  await sshTrue()
  await quiet() // its end is told of last
  await world.until(() => told().length === sessionEntries().length)
  expect(sessionEntries().length).toBeGreaterThan(5)
  expect(told()).toEqual(sessionEntries())
  expect(receiver.forged).toBe(0)
  const inFile = linesOfFile().map(({ metadata }) => metadata.uid)
  expect(inFile).toEqual(expect.arrayContaining([...new Set(receiver.received.map(({ id }) => id))]))
})

test('commands go to the sink that asked for them, and to no other', async () => {
  await world.ssh(`${world.login}@web1`, { command: ['echo', 'from-a-session'] })
  const commands = (): unknown[] =>
    linesOfFile().flatMap(({ metadata, process, device }) =>
      metadata.event_code === 'content-command' ? [[process?.cmd_line, device?.hostname]] : [],
    )
  await world.until(() => commands().length > 0 && String(commands().at(-1)).includes('from-a-session'))
  expect(commands().at(-1)).toEqual(['echo from-a-session', 'web1'])
  await quiet()
  expect(JSON.stringify(receiver.received)).not.toContain('from-a-session')
})

test('a receiver whose answer asks for the end of a session gets it, and what it may not ask for is refused', async () => {
  receiver.answer(({ type, session }, response) => {
    const ask = { ask: 'end', session, reason: 'case 9' }
    response.end(type === 'session-open' ? JSON.stringify(ask) : '')
  })
  await quiet()
  const run = await world.ssh(`${world.login}@web1`, { command: ['sleep 60'] })
  expect(run.code).not.toBe(0)
  expect(run.stderr).toContain('the receiver soc asked for it')
  expect(run.stderr).not.toContain('case 9')
  await world.until(() => world.audit().some(({ kind }) => kind === 'ask-followed'))
  const { id, endReason } = await world.lastEnded()
  expect(endReason).toBe('the receiver soc asked for it')
  expect(world.audit().find(({ kind }) => kind === 'ask-followed')).toMatchObject({
    sink: 'soc',
    ask: 'end',
    session: id,
    reason: 'case 9',
  })

  await quiet()
  receiver.answer(({ type, session: of }, response) => {
    const ask = { ask: type === 'session-open' ? 'pause' : 'end', session: of }
    response.end(JSON.stringify(ask))
  })
  await sshTrue()
  await world.until(() => world.audit().filter(({ kind }) => kind === 'ask-refused').length >= 2)
  await quiet()
  const codes = world
    .audit()
    .flatMap(({ kind, ask, code }) => (kind === 'ask-refused' ? [`${String(ask)} ${String(code)}`] : []))
  expect(codes).toEqual(['pause not-allowed', 'end not-open'])
  // Its answers to what followed from its own asks ask for nothing.
  expect(receiver.received.filter(({ type }) => type === 'ask-refused')).toHaveLength(2)
})

test('a session that a receiver wants reviewed is marked as such until somebody has', async () => {
  receiver.answer(({ type, session }, response) => {
    const ask = { ask: 'require-review', session, reason: 'case 10' }
    response.end(type.startsWith('session-') ? JSON.stringify(ask) : '')
  })
  await quiet()
  await sshTrue()
  const { id } = await world.lastEnded()
  const followed = () =>
    world.audit().filter(({ kind, ask }) => kind === 'ask-followed' && ask === 'require-review')
  await world.until(() => followed().length >= 2)
  expect(followed()[0]).toMatchObject({ sink: 'soc', session: id, reason: 'case 10' })
  const browser = new Browser()
  await browser.signInAt(await browser.open(`${world.webUrl}/sign-in`), people.ben)
  const headers = { Cookie: `sallyport=${browser.cookie('sallyport') ?? ''}` }
  const wanted = async (): Promise<unknown[]> => {
    const answer = await fetch(`${world.webUrl}/api/v1/sessions?wanted=1&reviewed=0`, { headers })
    return ((await answer.json()) as SessionPage).items.map(one => [one.id, one.reviewWantedBy])
  }
  expect(await wanted()).toEqual([[id, ['soc']]])
  const detail = await fetch(`${world.webUrl}/api/v1/sessions/${id}`, { headers })
  const { facts } = (await detail.json()) as SessionDetail
  expect(facts).toContainEqual({ name: 'review wanted', value: 'by the receiver soc: case 10' })
})

test('what a receiver refuses is listed, sent again or dropped by hand, and that is in the audit log', async () => {
  receiver.answer((_, response) => response.end())
  await quiet()
  receiver.answer((_, response) => response.writeHead(422).end())
  await sshTrue()
  await quiet()
  const [first, second, ...rest] = (await state()).letters
  expect(second).toBeDefined()
  expect(rest).toEqual([])
  const by = { by: 'a test' }
  expect(await admin(`/notify/letters/${first?.id}/retry`, by)).toContain('status 422')
  expect(await admin(`/notify/letters/${second?.id}/drop`, by)).toBe('{}')
  expect(await admin(`/notify/letters/${second?.id}/drop`, by)).toContain('There is no such dead letter')
  receiver.answer((_, response) => response.end())
  const retried = await world.sallyport('notify', 'retry', 'all')
  expect(retried).toMatchObject({ code: 0 })
  expect(retried.stdout.toString()).toBe(`${first?.id} was sent.\n`)
  expect((await state()).letters).toEqual([])
  const kinds = world.audit().map(({ kind }) => kind)
  expect(kinds.filter(kind => kind === 'letter-retried')).toHaveLength(2)
  expect(kinds.filter(kind => kind === 'letter-dropped')).toHaveLength(1)
  const dead = /sallyport_notify_deliveries_total\{sink="soc",result="dead"\} 2/
  await world.until(async () => dead.test(await admin('/metrics'))) // its thread tells of them now and then
})

test('a receiver that wants no more is left alone until somebody says so; a reload changes where things go', async () => {
  receiver.answer((_, response) => response.writeHead(410).end())
  await sshTrue()
  await world.until(() => world.audit().some(({ kind }) => kind === 'sink-disabled'))
  receiver.answer((_, response) => response.end())
  expect((await world.sallyport('notify', 'list')).stdout.toString()).toContain('it wants no more')
  expect(await admin('/notify/sinks/soc/resume', { by: 'a test' })).toBe('{}')
  await world.until(() => told().length === sessionEntries().length)

  world.writeConfig(config => configure(config, { events: ['reload'] }))
  world.reload()
  await world.until(() => world.audit().some(({ kind }) => kind === 'reload'))
  world.reload()
  await world.until(() => receiver.received.some(({ type }) => type === 'reload'))
  expect(existsSync(join(world.data, 'notify', 'soc.cursor'))).toBe(true)
})

test('check says of each sink whether it could be written to or reached, and sends nothing', async () => {
  await quiet()
  const before = receiver.received.length
  vi.stubEnv('SOC_SECRET', receiverSecret)
  const { code, stdout } = await world.sallyport('check')
  vi.unstubAllEnvs()
  expect(stdout.toString()).toMatch(/^ok {6}file sink file-events-ndjson: \S+ can be written$/m)
  expect(stdout.toString()).toMatch(/^ok {6}webhook sink soc: can be reached, without TLS$/m)
  expect(code).toBe(0)
  expect(receiver.received).toHaveLength(before)
})

test('no secret is in logs, cursors, letters or what the command line shows', async () => {
  const shown = await admin('/notify')
  const cursor = readFileSync(join(world.data, 'notify', 'soc.cursor'), 'utf8')
  for (const text of [shown, cursor, world.log]) expect(text).not.toContain(receiverSecret)
})
