/** What the page of a session says of how it came to be. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SessionDetail } from '../../../src/api/schema.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())

async function factsOf(session: string): Promise<Readonly<Record<string, string>>> {
  const { json } = await world.ask('reviewer', 'GET', `/sessions/${session}`)
  const { facts } = json as SessionDetail
  return Object.fromEntries(
    facts.map(({ name, value, isEmpty }) => [name, isEmpty === true ? `(${value})` : value]),
  )
}

test('of a terminal: the client, and the certificate that lived for a minute', async () => {
  expect(await factsOf(sessions.ssh)).toMatchObject({
    client: 'SSH-2.0-OpenSSH_9.2p1 Debian-2',
    'certificate serial': '8126041932471120033',
    'certificate key id': 'sallyport session=s-ssh principal=watched',
    'certificate lifetime': '60 s, until 2026-11-01 10:00:30 UTC',
  })
})

test('of a database: its name, the client program, and the role that was made', async () => {
  expect(await factsOf(sessions.sql)).toMatchObject({
    database: 'orders',
    'client program': 'psql',
    'minted role': 'sp_watched_k3v9',
    'role lifetime': 'until the session ends; its password for one sign-in, within 60 s',
  })
})

test('what nobody asked for has its place, and says so', async () => {
  expect(await factsOf(sessions.ssh)).toMatchObject({
    reason: '(nobody asked for one)',
    ticket: '(nobody asked for one)',
    approver: '(nobody: the rule asks for no approval)',
  })
})

test('a report of the gravest findings says that there are more', async () => {
  const report = async (): Promise<string> =>
    (await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/report`)).text
  const many = Array.from({ length: 201 }, (_, number) => number)
  for (const number of many) {
    if (number === 200) expect(await report()).not.toContain('More are not in this report')
    await world.desk.take({
      session: sessions.ssh,
      group: `G-${number}`,
      kind: 'rule',
      severity: 'high',
      rules: [],
      atMs: 0,
      body: { sentence: 's', why: [], quotes: [], techniques: [], benign: [], quality: [], versions: {} },
    })
  }
  expect(await report()).toContain('These are the gravest 200. More are not in this report')
})

test('the report has them too', async () => {
  const { text } = await world.ask('reviewer', 'GET', `/sessions/${sessions.sql}/report`)
  expect(text).toContain('sp_watched_k3v9')
})
