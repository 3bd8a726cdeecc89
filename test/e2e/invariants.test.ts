/** Invariants of ARCHITECTURE.md that show only with the whole gateway running. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { Browser } from '../support/browser.ts'
import { testClient } from '../support/issuer.ts'
import { testWith } from '../support/openssh.ts'
import { people, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World

beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world?.stop())

/** Every file below a folder, but for the keys themselves. */
function* filesBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (name === 'keys' || statSync(path).isSocket()) continue
    if (statSync(path).isDirectory()) yield* filesBelow(path)
    else yield path
  }
}

test('invariant 1: the order of the audit log is sign-in, session, credential', async () => {
  await world.ssh(`${world.login}@web1`, { command: ['true'] })
  const row = await world.lastEnded()
  const kinds = world
    .audit()
    .filter(entry => entry['session'] === row.id)
    .map(entry => entry['kind'])
  expect(kinds).toEqual(['session-open', 'credential-minted', 'credential-removed', 'session-close'])
})

test('invariant 8: secrets are in no log, recording, audit entry, process argument or state', async () => {
  let code = ''
  const browser = new Browser()
  await world.ssh(`${world.login}@web1`, {
    command: ['true'],
    answers: async url => {
      code = await browser.signInAndGetCode(url, people.ada)
      const running = readdirSync('/proc')
        .filter(name => /^\d+$/.test(name))
        .map(commandLine)
        .join('\n')
      expect(running).not.toContain(testClient.clientSecret)
      return [code]
    },
  })
  await world.lastEnded()
  const cookie = browser.cookie('sallyport') ?? ''
  expect(cookie.length).toBeGreaterThan(30)
  const secrets = [
    testClient.clientSecret,
    people.ada.password,
    code,
    code.replace('-', ''),
    'PRIVATE KEY',
    cookie,
  ]
  for (const file of filesBelow(world.data)) {
    const bytes = readFileSync(file)
    for (const secret of secrets) expect(bytes.includes(secret), `${secret} in ${file}`).toBe(false)
  }
  for (const secret of secrets) expect(world.log.includes(secret), `${secret} in the log`).toBe(false)
})

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

describe('invariant 9: whoever watches is watched:', () => {
  const reads = () => world.audit().filter(entry => entry['kind'] === 'recording-read')

  test('play and export leave an entry before they show anything', async () => {
    await world.ssh(`${world.login}@web1`, { command: ['echo seen'] })
    await world.lastEnded()
    const before = reads().length
    const played = await world.sallyport('play', 'last', '--idle', '0')
    expect(played.stdout.toString()).toContain('seen')
    expect((await world.sallyport('export', 'last', '--format', 'text')).stdout.toString()).toContain('seen')
    expect(reads().length).toBe(before + 2)
  })

  test('and so does the page of a session; one’s own session has none', async () => {
    const row = await world.lastEnded()
    const before = reads().length
    const auditor = new Browser()
    const page = await auditor.signInAt(await auditor.open(`${world.webUrl}/sessions/${row.id}`), people.ben)
    const shown = page.text.includes('seen') ? page : await auditor.open(`${world.webUrl}/sessions/${row.id}`)
    expect(shown.text).toContain('seen')
    expect(reads().length).toBe(before + 1)
    const own = new Browser()
    await own.signInAt(await own.open(`${world.webUrl}/sessions`), people.ada)
    expect((await own.open(`${world.webUrl}/sessions/${row.id}`)).text).not.toContain('echo seen')
    expect(reads().length).toBe(before + 1)
  })
})
