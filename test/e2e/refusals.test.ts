/** Whom the door does not let through, and what they are told. With real ssh against a real sshd. */
import Database from 'better-sqlite3'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { Browser } from '../support/browser.ts'
import { makeKey, testWith } from '../support/openssh.ts'
import { people, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World

beforeAll(async () => {
  world = await World.start({
    configure: config => {
      const [address] = [config['targets'][0].address]
      const hostKeys = config['targets'][0].hostKeys
      const target = (name: string) => ({
        name,
        protocol: 'ssh',
        address,
        labels: { env: 'other' },
        hostKeys,
      })
      config['targets'].push(target('web2'), target('night'), target('far'), {
        ...target('swapped'),
        hostKeys: [
          makeKey(world?.folder ?? '/tmp', `swapped-${process.pid}`)
            .publicLine.split(' ')
            .slice(0, 2)
            .join(' '),
        ],
      })
      const logins = config['roles'].admin.allow[0].logins
      config['roles'].admin.allow.push(
        { targets: { name: 'night' }, logins, when: { hours: closedHours() } },
        { targets: { name: 'far' }, logins, when: { from: ['203.0.113.0/24'] } },
        { targets: { name: 'swapped' }, logins },
      )
    },
  })
})
afterAll(() => world?.stop())

/** One hour, half a day from now, so that it is never open while the test runs. */
function closedHours(): string {
  const hour = (new Date().getUTCHours() + 12) % 24
  const two = (value: number): string => String(value).padStart(2, '0')
  return `Mon-Sun ${two(hour)}:00-${two(hour)}:59 UTC`
}

async function refusal(user: string, person = people.ada) {
  const before = world.sshd?.log().length ?? 0
  const run = await world.ssh(user, { person, command: ['true'] })
  const reached = (world.sshd?.log() ?? '').slice(before)
  return { run, reached }
}

describe('nobody gets in', () => {
  test('without a role, and the target does not hear of it', async () => {
    const { run, reached } = await refusal(`${world.login}@web1`, people.eve)
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('There is no such target, or you have no access to it.')
    expect(reached).not.toContain('Connection from')
  })

  test('as a login that no rule allows', async () => {
    const { run, reached } = await refusal('toor@web1')
    expect(run.code).toBe(255)
    expect(reached).not.toContain('Connection from')
  })

  test('to a target that is not there, and is told the same as for one that is forbidden', async () => {
    const missing = (await refusal(`${world.login}@nowhere`)).run.stderr
    const forbidden = (await refusal(`${world.login}@web2`)).run.stderr
    const said = (text: string): string =>
      text
        .split('\n')
        .filter(line => line.includes('disconnect'))
        .join()
        .replace(/port \d+/, '')
    expect(said(missing)).not.toBe('')
    expect(said(missing)).toBe(said(forbidden))
  })

  test('outside the hours of the rule', async () => {
    const { run, reached } = await refusal(`${world.login}@night`)
    expect(run.code).toBe(255)
    expect(reached).not.toContain('Connection from')
  })

  test('from another network than the rule names', async () => {
    expect((await refusal(`${world.login}@far`)).run.code).toBe(255)
  })

  test('to a target whose host key changed: both fingerprints are named and no credential is made', async () => {
    const { run } = await refusal(`${world.login}@swapped`)
    expect(run.code).toBe(255)
    expect(run.stderr.match(/SHA256:\S+/g)?.length).toBeGreaterThanOrEqual(2)
    const row = await world.lastEnded()
    expect(row.target).toBe('swapped')
    const minted = world
      .audit()
      .filter(entry => entry['kind'] === 'credential-minted' && entry['session'] === row.id)
    expect(minted).toEqual([])
  })

  test('with BatchMode, and the banner says where to sign in', async () => {
    const run = await world.ssh(`${world.login}@web1`, { command: ['true'], extra: ['BatchMode=yes'] })
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('recorded')
  })

  test('every refusal by policy is in the audit log with its reason', () => {
    const codes = world
      .audit()
      .filter(entry => entry['kind'] === 'refusal')
      .map(entry => entry['code'])
    expect(codes).toEqual(
      expect.arrayContaining(['no-role', 'login', 'unknown-target', 'hours', 'source', 'upstream']),
    )
  })
})

describe('a code is refused', () => {
  test('that is wrong, three times, and then the connection ends', async () => {
    const run = await world.ssh(`${world.login}@web1`, {
      command: ['true'],
      answers: async url => {
        await world.codeFor(url)
        return ['BBBB-BBBB', 'CCCC-CCCC', 'DDDD-DDDD']
      },
    })
    expect(run.code).toBe(255)
    expect(run.stdout.toString()).toBe('')
  })

  test('before anybody confirmed in the browser', async () => {
    const run = await world.ssh(`${world.login}@web1`, {
      command: ['true'],
      answers: () => ['BCDF-GHJK', '1', '2'],
    })
    expect(run.code).toBe(255)
  })

  test('that belongs to another connection', async () => {
    let stolen = ''
    const victim = world.ssh(`${world.login}@web1`, {
      command: ['true'],
      answers: async url => {
        stolen = await world.codeFor(url)
        await world.until(() => stolen === 'used')
        return []
      },
      onStart: child => void world.until(() => stolen === 'used').then(() => child.kill()),
    })
    await world.until(() => stolen !== '')
    const thief = await world.ssh(`${world.login}@web1`, {
      command: ['true'],
      answers: () => [stolen, stolen, stolen],
    })
    stolen = 'used'
    await victim
    expect(thief.code).toBe(255)
    expect(thief.stdout.toString()).toBe('')
  })

  test('that was used before', async () => {
    let code = ''
    const first = await world.ssh(`${world.login}@web1`, {
      command: ['true'],
      answers: async url => [(code = await world.codeFor(url))],
    })
    expect(first.code).toBe(0)
    const again = await world.ssh(`${world.login}@web1`, {
      command: ['true'],
      answers: () => [code, code, code],
    })
    expect(again.code).toBe(255)
  })

  test('when the person said no in the browser', async () => {
    const run = await world.ssh(`${world.login}@web1`, {
      command: ['true'],
      answers: async url => {
        const browser = new Browser()
        const page = await browser.signInAt(await browser.open(url), people.ada)
        await browser.press(
          page,
          page.forms.flatMap(form => form.buttons).find(button => /no|deny/i.test(button.text))?.text ?? '',
        )
        return ['BCDF-GHJK']
      },
    })
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('denied in the browser')
  })
})

test('invariant 2, a look-up that fails refuses: nobody gets in while the store does not answer', async () => {
  const database = new Database(join(world.data, 'state.db'))
  const before = world.sshd?.log().length ?? 0
  const run = await world.ssh(`${world.login}@web1`, {
    command: ['true'],
    answers: async url => {
      const code = await world.codeFor(url)
      database.exec('BEGIN EXCLUSIVE')
      return [code]
    },
  })
  database.exec('ROLLBACK')
  database.close()
  expect(run.code).toBe(255)
  expect((world.sshd?.log() ?? '').slice(before)).not.toContain('Accepted')
  expect((await world.ssh(`${world.login}@web1`, { command: ['true'] })).code).toBe(0)
})

test('a second gateway on the same data folder refuses with a sentence', async () => {
  const second = await world.sallyport('serve', '--config', world.configFile)
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(world.data)
})
