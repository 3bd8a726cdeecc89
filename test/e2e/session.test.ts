/** One session through the door with plain ssh, and what its recording holds. */
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World
const at = (): string => `${world.login}@web1`

beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world?.stop())

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

describe('a command', () => {
  test('runs, and its output, errors and exit status come back as from sshd', async () => {
    const run = await world.ssh(at(), { command: ['echo out; echo err >&2; exit 7'] })
    expect(run.stdout.toString()).toBe('out\n')
    expect(run.stderr).toMatch(/^err$/m)
    expect(run.code).toBe(7)
  })

  test('is recorded: command, both streams, exit status', async () => {
    const row = await world.lastEnded()
    const events = world.eventsOf(row).map(({ event }) => event)
    expect(events.find(event => event.type === 'exec')).toMatchObject({
      fields: { command: 'echo out; echo err >&2; exit 7' },
    })
    expect(world.streamOf(row, 'output').toString()).toBe('out\n')
    expect(world.streamOf(row, 'error-output').toString()).toBe('err\n')
    expect(events.find(event => event.type === 'exit-status')).toMatchObject({ fields: { status: 7 } })
    expect(row).toMatchObject({
      principalName: 'ada@example.com',
      target: 'web1',
      login: world.login,
      state: 'ended',
    })
  })

  test('reads its stdin to the end, byte for byte, and so does the recording', async () => {
    const input = randomBytes(3_000_000)
    const run = await world.ssh(at(), { command: ['sha256sum'], input })
    expect(run.stdout.toString()).toContain(sha256(input))
    expect(sha256(world.streamOf(await world.lastEnded(), 'input'))).toBe(sha256(input))
  })

  test('that goes on talking after the end of its stdin is heard to its end', async () => {
    const run = await world.ssh(at(), { command: ['cat >/dev/null; sleep 0.3; echo late'], input: 'x' })
    expect(run.stdout.toString()).toBe('late\n')
  })

  test('whose output and errors both fill their windows loses nothing on either', async () => {
    const command =
      'head -c 8000000 /dev/zero | tr "\\0" a & head -c 8000000 /dev/zero | tr "\\0" b >&2; wait'
    const run = await world.ssh(at(), { command: [command] })
    expect(run.stdout.length).toBe(8_000_000)
    expect(run.stderr.replaceAll(/[^b]/g, '').length).toBeGreaterThanOrEqual(8_000_000)
    const row = await world.lastEnded()
    expect(world.streamOf(row, 'output').length).toBe(8_000_000)
    expect(world.streamOf(row, 'error-output').length).toBe(8_000_000)
  })

  test('may be as long as Linux lets it be', async () => {
    const run = await world.ssh(at(), { command: [`echo long; true ${'x'.repeat(120_000)}`] })
    expect(run.stdout.toString()).toBe('long\n')
  })

  test('killed by a signal says so', async () => {
    const run = await world.ssh(at(), { command: ['kill -TERM $$'] })
    expect(run.code).not.toBe(0)
    const events = world.eventsOf(await world.lastEnded()).map(({ event }) => event)
    expect(events.find(event => event.type === 'exit-signal')).toMatchObject({ fields: { name: 'TERM' } })
  })

  test('of which the reader has had enough ends at once, as it does without us', async () => {
    const run = await world.ssh(at(), {
      command: ['yes'],
      onStart: child => child.stdout?.once('data', () => child.stdout?.destroy()),
    })
    expect(run.signal ?? run.code).not.toBe(0)
  })

  test('with more output than a terminal would ever show comes through exactly', async () => {
    const run = await world.ssh(at(), {
      command: ['head -c 40000000 /dev/urandom | tee /dev/stderr 2> >(sha256sum >&2)'],
    })
    expect(run.stdout.length).toBe(40_000_000)
    expect(sha256(world.streamOf(await world.lastEnded(), 'output'))).toBe(sha256(run.stdout))
  })
})

describe('several channels on one connection', () => {
  test('are decided and recorded one by one, under one sign-in', async () => {
    const control = join(world.folder, 'control')
    const options = [`ControlPath=${control}`]
    let master: { kill: (signal: NodeJS.Signals) => boolean } | undefined
    const running = world.ssh(at(), {
      arguments: ['-M', '-N'],
      extra: options,
      onStart: child => (master = child),
    })
    await world.until(async () => (await world.sessions())[0]?.state === 'open' && (await over(control)))
    const runs = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        world.ssh(at(), { extra: options, command: [`echo channel ${index}`] }),
      ),
    )
    master?.kill('SIGTERM')
    await running
    expect(runs.map(run => run.stdout.toString())).toEqual(runs.map((_, index) => `channel ${index}\n`))
    const row = await world.lastEnded()
    const commands = world.eventsOf(row).filter(({ event }) => event.type === 'exec')
    expect(commands.length).toBe(8)
    const signIns = world
      .audit()
      .filter(entry => entry['kind'] === 'session-open' && entry['session'] === row.id)
    expect(signIns.length).toBe(1)
  })

  async function over(control: string): Promise<boolean> {
    return (
      (await world.ssh(at(), { extra: [`ControlPath=${control}`], arguments: ['-O', 'check'] })).code === 0
    )
  }
})

describe('a shell in a terminal', () => {
  test('works, knows its size and resizes, and its recording shows what the screen showed', async () => {
    const terminal = await world.terminal(at(), { columns: 100, rows: 30 })
    await terminal.waitFor(/[$#] $/)
    terminal.type('stty size\r')
    await terminal.waitFor(/30 100/)
    terminal.resize(120, 40)
    terminal.type('stty size\r')
    await terminal.waitFor(/40 120/)
    terminal.type('sleep 100\r')
    await terminal.waitFor(/sleep 100/)
    terminal.type('\x03')
    await terminal.waitFor(/[$#] $/)
    terminal.type('exit 3\r')
    expect(await terminal.exit()).toBe(3)
    const row = await world.lastEnded()
    const shown = world.streamOf(row, 'output').toString()
    expect(terminal.shown.replaceAll('\r\n', '\n')).toContain(shown.replaceAll('\r\n', '\n').slice(0, 200))
    const resize = world.eventsOf(row).find(({ event }) => event.type === 'resize')
    expect(resize?.event).toMatchObject({ fields: { columns: 120, rows: 40 } })
  })

  test('never gives away what was typed with echo off', async () => {
    const terminal = await world.terminal(at())
    await terminal.waitFor(/[$#] $/)
    terminal.type('read -rs -p "Password: " x; echo; echo "got ${#x}"\r')
    await terminal.waitFor(/Password: $/)
    terminal.type('correct-horse-battery\r')
    await terminal.waitFor(/got 21/)
    terminal.type('exit\r')
    await terminal.exit()
    const row = await world.lastEnded()
    const events = world.eventsOf(row)
    const text = events
      .map(({ event }) => JSON.stringify(event) + ('data' in event ? event.data.toString() : ''))
      .join('\n')
    expect(text).not.toContain('correct-horse-battery')
    expect(events.some(({ event }) => event.type === 'unechoed-line')).toBe(true)
    expect(
      events.some(({ event }) => event.type === 'typed' && JSON.stringify(event).includes('read -rs')),
    ).toBe(true)
  })
})

test('LOGIN+TARGET is the same address, and a bare name is the only target with the only login', async () => {
  expect((await world.ssh(`${world.login}+web1`, { command: ['echo plus'] })).stdout.toString()).toBe(
    'plus\n',
  )
  expect((await world.ssh('web1', { command: ['echo bare'] })).stdout.toString()).toBe('bare\n')
})

test('variables that could change what runs are not passed on', async () => {
  const run = await world.ssh(at(), {
    extra: ['SetEnv=LD_PRELOAD=/tmp/x LC_TEST=fine'],
    command: ['echo "$LD_PRELOAD.$LC_TEST"'],
  })
  expect(run.stdout.toString()).toBe('.fine\n')
  const refused = world.eventsOf(await world.lastEnded()).filter(({ event }) => event.type === 'env')
  expect(refused.map(({ event }) => ('fields' in event ? event.fields['passed'] : undefined))).toContain(
    false,
  )
})

test('the target hears of a certificate that names session and person, and of nobody’s key', async () => {
  await world.ssh(at(), { command: ['true'] })
  const row = await world.lastEnded()
  expect(world.sshd?.log()).toContain(`ID "sallyport session=${row.id} principal=ada@example.com"`)
})

test('no two sessions share a serial, and no lease is left', async () => {
  const serials = world
    .audit()
    .flatMap(entry => (entry['kind'] === 'credential-minted' ? [entry['serial']] : []))
  expect(serials.length).toBeGreaterThan(5)
  expect(new Set(serials).size).toBe(serials.length)
  const removed = world.audit().filter(entry => entry['kind'] === 'credential-removed')
  expect(removed.length).toBe(serials.length)
})
