/** Plain `ssh GATEWAY` in a terminal: the list, and the session that is chosen from it. */
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { testWith } from '../support/openssh.ts'
import { type Terminal, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World

beforeAll(async () => {
  world = await World.start({
    configure: config => {
      const [web1] = config['targets']
      config['targets'].push(
        { ...web1, name: 'lab-unreachable', address: '127.0.0.1:1', labels: { env: 'test', tier: 'lab' } },
        { ...web1, name: 'web2', labels: { env: 'test', tier: 'second' } },
        { ...web1, name: 'others', labels: { env: 'elsewhere' } },
        { ...web1, name: 'far', labels: { env: 'far' } },
      )
      config['roles'].admin.allow.push({
        targets: { labels: { env: 'far' } },
        logins: ['root'],
        when: { from: ['192.0.2.0/24'] },
      })
    },
  })
})
afterAll(() => world?.stop())

const down = '\x1b[B'
const sessionsNow = async () => (await world.sessions()).length

/** At the list, drawn to its end. */
async function atTheList(
  options: { extra?: readonly string[]; term?: string; columns?: number } = {},
): Promise<Terminal> {
  const terminal = await world.terminal('somebody', options)
  await terminal.waitFor(/Enter opens, q leaves|Number, or q to leave: $/)
  return terminal
}

describe('the list', () => {
  test('has what the person may reach, why something is missing, and nothing of others', async () => {
    const terminal = await atTheList()
    expect(terminal.shown).toContain(`> ${world.login}@web1`)
    expect(terminal.shown).toContain('tier=lab')
    expect(terminal.shown).toContain('You may not open far from this network.')
    expect(terminal.shown).not.toContain('others')
    const before = await sessionsNow()
    terminal.type('q')
    expect(await terminal.exit()).toBe(0)
    expect(await sessionsNow()).toBe(before)
  })

  test('is left with Ctrl-C, also after something was typed', async () => {
    const terminal = await atTheList()
    terminal.type('nothing like it')
    await terminal.waitFor(/\(0 of 3\)/)
    terminal.type('\r')
    await terminal.waitFor(/Nothing matches/)
    terminal.type('\x03')
    expect(await terminal.exit()).toBe(0)
  })

  test('is drawn again when the window changes', async () => {
    const terminal = await atTheList()
    terminal.type('s')
    await terminal.waitFor(/Filter: s/)
    terminal.type('')
    terminal.resize(40, 20)
    await terminal.waitFor(/Up and down choose, typing filters, Ent\x1b/)
    terminal.type('\x03')
    await terminal.exit()
  })
})

describe('what is chosen', () => {
  test('runs on this very channel, in a terminal of its size, and ends with its exit status', async () => {
    const terminal = await atTheList({ columns: 100 })
    terminal.type('second')
    await terminal.waitFor(/> \S+@web2/)
    terminal.resize(90, 33)
    terminal.type('\r')
    await terminal.waitFor(/[$#] $/)
    terminal.type('stty size; echo $TERM\r')
    await terminal.waitFor(/33 90\r\nxterm-256color/)
    terminal.resize(70, 20)
    terminal.type('stty size\r')
    await terminal.waitFor(/20 70/)
    terminal.type('head -c 3000000 /dev/zero | tr "\\0" x; echo; echo all-there\r')
    await terminal.waitFor(/x\r\nall-there/)
    terminal.type('exit 5\r')
    expect(await terminal.exit()).toBe(5)
  })

  test('is recorded from its first byte, with its terminal, and without the list', async () => {
    const row = await world.lastEnded()
    expect(row).toMatchObject({ target: 'web2', login: world.login, principalName: 'ada@example.com' })
    const events = world.eventsOf(row).map(({ event }) => event)
    expect(events.slice(0, 4)).toMatchObject([
      { type: 'client' },
      { type: 'credential' },
      { type: 'channel-open' },
      { type: 'pty', fields: { term: 'xterm-256color', columns: 90, rows: 33 } },
    ])
    expect(events.some(event => event.type === 'shell')).toBe(true)
    expect(events.find(event => event.type === 'exit-status')).toMatchObject({ fields: { status: 5 } })
    const output = world.streamOf(row, 'output').toString()
    expect(output).not.toContain('Filter')
    expect(output).toContain('all-there')
    expect((await world.sallyport('verify', world.fileOf(row))).code).toBe(0)
  })

  test('last is first in the list next time', async () => {
    const terminal = await atTheList()
    expect(terminal.shown).toContain(`> ${world.login}@web2`)
    terminal.type(`${down}${down}\x1b[A\r`)
    await terminal.waitFor(/[$#] $/)
    terminal.type('exit\r')
    await terminal.exit()
    expect((await world.lastEnded()).target).toBe('web1')
  })

  test('and cannot be opened leads back to the list, which says why', async () => {
    const terminal = await atTheList()
    terminal.type('lab')
    await terminal.waitFor(/> \S+@lab-unreachable/)
    terminal.type('\r')
    await terminal.waitFor(/The target lab-unreachable cannot be reached/)
    terminal.type('web1')
    await terminal.waitFor(/> \S+@web1/)
    terminal.type('\r')
    await terminal.waitFor(/[$#] $/)
    terminal.type('exit 3\r')
    expect(await terminal.exit()).toBe(3)
  })

  test('by number, in a terminal that can only print', async () => {
    const terminal = await atTheList({ term: 'dumb' })
    expect(terminal.shown).not.toContain('\x1b')
    terminal.type('77\r')
    await terminal.waitFor(/That is no number of the list\.\r\nNumber, or q to leave: $/)
    const number = /(\d)\) \S+@web2/.exec(terminal.shown)?.[1]
    terminal.type(`9\x7f${number}\r`)
    await terminal.waitFor(/[$#] $/)
    terminal.type('echo on $TERM\r')
    await terminal.waitFor(/on dumb/)
    terminal.type('exit\r')
    expect(await terminal.exit()).toBe(0)
    expect((await world.lastEnded()).target).toBe('web2')
  })
})

test('without a terminal there is no list, only a sentence', async () => {
  const run = await world.ssh('somebody', { arguments: ['-T'] })
  expect(run.code).toBe(1)
  expect(run.stdout.length).toBe(0)
  expect(run.stderr).toContain('sallyport: This connection names no target. Say where to')
})
