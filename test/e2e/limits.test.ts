/** How sessions end before their people end them. */
import { afterEach, expect } from 'vitest'
import { testWith } from '../support/openssh.ts'
import { people, type RawConfig, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World | undefined

afterEach(async () => {
  await world?.stop()
  world = undefined
})

async function start(options: Parameters<typeof World.start>[0] = {}): Promise<World> {
  world = await World.start(options)
  return world
}

function allow(config: RawConfig, limits: object): void {
  Object.assign(config['roles'].admin.allow[0], limits)
}

test('invariant 10, a grant is valid until an instant: a session ends when its time is over, and its user is told', async () => {
  const here = await start({ configure: config => allow(config, { sessions: { max: '2s', idle: '1h' } }) })
  const run = await here.ssh(`${here.login}@web1`, { command: ['sleep 60'] })
  expect(run.code).toBe(255)
  expect(run.stderr).toContain('time allowed for this session is over')
  expect((await here.lastEnded()).endReason).toBe('grant ended')
})

test('a session ends when nothing happens for too long', async () => {
  const here = await start({ configure: config => allow(config, { sessions: { max: '1h', idle: '1s' } }) })
  const run = await here.ssh(`${here.login}@web1`, { command: ['sleep 60'] })
  expect(run.code).toBe(255)
  expect((await here.lastEnded()).endReason).toBe('idle')
})

test('a sign-in that expired before the code was typed opens nothing', async () => {
  const here = await start({ configure: config => (config['identity'].session = '1s') })
  const run = await here.ssh(`${here.login}@web1`, {
    command: ['true'],
    answers: async url => {
      const code = await here.codeFor(url)
      await new Promise(resolve => setTimeout(resolve, 1500))
      return [code]
    },
  })
  expect(run.code).toBe(255)
  expect(run.stderr).toContain('sign-in has expired')
  expect(here.sshd?.log()).not.toContain('Accepted')
})

test('invariant 10, a grant is decided again: whoever lost the right with a reload loses the session, and others keep theirs', async () => {
  const here = await start({
    configure: config => {
      config['roles'].staff = { members: { emails: ['ben@example.com'] }, allow: config['roles'].admin.allow }
    },
  })
  const ada = here.ssh(`${here.login}@web1`, { command: ['sleep 60'] })
  await here.until(async () => (await here.sessions()).length === 1)
  const ben = here.ssh(`${here.login}@web1`, { command: ['sleep 8; echo done'], person: people.ben })
  await here.until(async () => (await here.sessions()).length === 2)
  here.writeConfig(config => {
    config['roles'].staff = { members: { emails: ['ben@example.com'] }, allow: config['roles'].admin.allow }
    delete config['roles'].admin
  })
  here.reload()
  const run = await ada
  expect(run.code).toBe(255)
  expect(run.stderr).toContain('no longer use this target')
  expect((await ben).stdout.toString()).toBe('done\n')
})

test('a reload with a mistake in it changes nothing', async () => {
  const here = await start()
  const ada = here.ssh(`${here.login}@web1`, { command: ['sleep 2; echo done'] })
  await here.until(async () => (await here.sessions()).length === 1)
  here.writeConfig(config => {
    delete config['roles'].admin
    config['tragets'] = []
  })
  const reload = await here.sallyport('reload')
  expect(reload.code).toBe(1)
  expect((await ada).stdout.toString()).toBe('done\n')
})

test('an operator ends a session, and its user reads why', async () => {
  const here = await start()
  const run = here.ssh(`${here.login}@web1`, { command: ['sleep 60'] })
  await here.until(async () => (await here.sessions()).length === 1)
  const ended = await here.sallyport(
    'sessions',
    'end',
    (await here.sessions())[0]?.id ?? '',
    '--reason',
    'maintenance of web1',
  )
  expect(ended.code).toBe(0)
  expect((await run).stderr).toContain('maintenance of web1')
})

test('invariant 10, a grant is decided again: under a control master a new channel is refused once the right is gone', async () => {
  const here = await start({ configure: config => allow(config, { sessions: { max: '4s', idle: '1h' } }) })
  const options = [`ControlPath=${here.folder}/control`]
  const running = here.ssh(`${here.login}@web1`, { arguments: ['-M', '-N'], extra: options })
  await here.until(
    async () =>
      (await here.ssh(`${here.login}@web1`, { extra: options, arguments: ['-O', 'check'] })).code === 0,
  )
  expect(
    (await here.ssh(`${here.login}@web1`, { extra: options, command: ['echo in time'] })).stdout.toString(),
  ).toBe('in time\n')
  expect((await running).code).toBe(255)
})

test('exec patterns allow these commands and nothing else', async () => {
  const here = await start({ configure: config => allow(config, { exec: ['echo *', 'uname'] }) })
  const run = (command: string[]) => here.ssh(`${here.login}@web1`, { command })
  expect((await run(['echo', 'hello'])).stdout.toString()).toBe('hello\n')
  const other = await run(['id'])
  expect(other.code).toBe(126)
  expect(other.stderr).toContain('sallyport: Policy does not allow this command here')
  expect((await run(['echo hello; id'])).stdout.toString()).toBe('')
  expect((await run([])).code).toBe(126)
})

const ticking = 'while :; do echo tick; sleep 0.1; done'

/** A session that talks, once it has been heard. */
async function startTicking(here: World) {
  let heard = false
  const run = here.ssh(`${here.login}@web1`, {
    command: [ticking],
    onStart: child => child.stdout?.once('data', () => (heard = true)),
  })
  await here.until(() => heard)
  return { run }
}

test('invariant 3, record then forward: a session ends when the disk is full, and its user is told', async () => {
  const here = await start({ faulty: true })
  const { run } = await startTicking(here)
  here.setFault('full')
  const { stderr, code } = await run
  expect(code).toBe(255)
  expect(stderr).toContain('The recording cannot be written')
  const refused = await here.ssh(`${here.login}@web1`, { command: ['true'] })
  expect(refused.code).toBe(255)
})

test('invariant 3, record then forward: an append that hangs closes every connection', async () => {
  const here = await start({
    faulty: true,
    configure: config => (config['recording'] = { appendTimeout: '1s' }),
  })
  const { run } = await startTicking(here)
  here.setFault('hang')
  expect((await run).code).toBe(255)
  await here.until(() => here.gatewayEnded)
  here.setFault(undefined)
  await here.startGateway()
  expect((await here.lastEnded()).state).toBe('interrupted')
})
