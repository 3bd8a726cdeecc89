/** How long recordings are kept, with a real gateway: by policy, with holds, killed in between, and what an auditor can prove. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import { people } from '../support/issuer.ts'
import { testWith } from '../support/openssh.ts'
import { type RawConfig, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
const day = 86_400_000
let world: World | undefined

afterEach(async () => {
  await world?.stop()
  world = undefined
})

function start(retention: unknown): Promise<World> {
  return World.start({
    gateway: ['test/support/aged-gateway.ts'],
    configure: (config: RawConfig) => (config['recording'] = { retention }),
  })
}

/** Starts the gateway again, so many days later. */
async function later(here: World, days: number, killAt?: string): Promise<void> {
  await here.killGateway('SIGTERM')
  writeFileSync(here.faultFile, JSON.stringify({ aheadMs: days * day, killAt }))
  await here.startGateway()
}

async function session(here: World, command: string): Promise<string> {
  const run = await here.ssh(`${here.login}@web1`, { command: [command] })
  expect(run.code).toBe(0)
  return (await here.lastEnded()).id
}

const filesOf = (here: World, id: string): string[] =>
  readdirSync(here.recordings, { recursive: true, encoding: 'utf8' }).filter(name => name.includes(id))

async function say(here: World, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await here.sallyport(...args)
  expect([args, code, stderr]).toEqual([args, 0, ''])
  return stdout.toString()
}

const json = async (here: World, ...args: readonly string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await say(here, ...args, '--json')) as Record<string, unknown>

/** What an auditor does: the data folder and the public keys, no gateway. */
async function verify(here: World): Promise<{ code: number | null; text: string }> {
  const keys = join(here.folder, 'keys.pem')
  const shown = await say(here, 'keys', 'show')
  writeFileSync(keys, shown)
  const { code, stdout } = await here.sallyport('verify', here.data, '--key', keys)
  return { code, text: stdout.toString() }
}

test('policy removes what is old, a hold keeps what is held, and verify tells what was purged from what is missing', async () => {
  world = await start('400d')
  const here = world
  const old = await session(here, 'echo the first')
  const held = await session(here, 'echo the second')
  await say(here, 'retention', 'hold', '--session', held, '--case', 'C-7', '--why', 'dispute')

  await later(here, 401)
  expect(await json(here, 'retention', 'run')).toMatchObject({ purged: [old], pending: [], refused: [] })
  expect([filesOf(here, old).length, filesOf(here, held).length > 0]).toEqual([0, true])
  const play = await here.sallyport('play', old)
  expect([play.code, play.stderr]).toEqual([1, expect.stringContaining('by policy, by the rule of line')])

  await here.killGateway('SIGTERM')
  const purged = expect.stringMatching(
    new RegExp(`${old} was purged by policy on .*: line \\d+: all, max 400d`),
  )
  expect(await verify(here)).toMatchObject({ code: 0, text: purged })
  for (const name of filesOf(here, held)) rmSync(join(here.recordings, name))
  expect(await verify(here)).toMatchObject({ code: 1, text: expect.stringContaining(`${held}.sallyport`) })
})

test('a request of a person says what remains and why; pages say until when, on hold, and by which rule it went', async () => {
  world = await start([{ targets: { protocol: 'ssh' }, min: '30d' }, { max: '400d' }])
  const here = world
  const old = await session(here, 'echo the first')
  const held = await session(here, 'echo the second')
  const until = '2999-12-31'
  await say(
    here,
    'retention',
    'hold',
    '--session',
    held,
    '--case',
    'C-7',
    '--who',
    'Legal',
    '--why',
    'dispute',
    '--until',
    until,
  )
  const forget = ['retention', 'forget', '--person', people.ada.email, '--why', 'asked']
  await later(here, 20)
  expect(await json(here, ...forget)).toMatchObject({
    removed: 0,
    remains: [
      { session: held, why: expect.stringContaining('C-7') },
      { session: old, why: expect.stringContaining('min 30d') },
    ],
  })
  await later(here, 401)
  expect(await say(here, 'retention', 'run', '--dry-run')).toContain('1 due now, 1 on hold')
  expect(filesOf(here, old)).not.toEqual([])
  await say(here, 'retention', 'run')

  await later(here, 0)
  const reviewer = here.browser
  await reviewer.signInAt(await reviewer.open(`${here.webUrl}/sign-in`), people.ben)
  const page = await reviewer.open(`${here.webUrl}/sessions/${old}`)
  expect(page.text).toMatch(/Purged by policy on .* by the rule of line \d+: all, max 400d/)
  const list = await reviewer.open(`${here.webUrl}/sessions`)
  expect(list.text).toMatch(/removed \d{4}-/)
  expect(list.text).toContain('on hold until 3000-01-01')
})

for (const step of ['decided', 'entombed', 'removed'])
  test(`killed at the step "${step}" of a purge, nothing looks missing, and the next start finishes it`, async () => {
    world = await start('400d')
    const here = world
    const id = await session(here, 'echo something')
    await later(here, 401, step)
    const run = await here.sallyport('retention', 'run')
    expect(run.code).toBe(1)
    await here.until(() => here.gatewayEnded)
    expect(await verify(here)).toMatchObject({ code: 0 })

    await later(here, 401)
    await here.until(async () => (await json(here, 'retention', 'plan'))['dueCount'] === 0)
    expect(filesOf(here, id)).toEqual([])
    expect(here.audit().filter(line => line['kind'] === 'purge-done')).toMatchObject([{ session: id }])
    await here.killGateway('SIGTERM')
    const purged = expect.stringContaining(`${id} was purged by policy`)
    expect(await verify(here)).toMatchObject({ code: 0, text: purged })
  })
