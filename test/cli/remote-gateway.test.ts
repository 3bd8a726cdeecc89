/** Commands on an auditor's own machine, over HTTP, with a token. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FindingPage } from '../../src/analysis/findings/desk.ts'
import { draftOf } from '../analysis/findings/desk-world.ts'
import { type ApiWorld, sessions } from '../api/v1/api-world.ts'
import { openTokenWorld, type TokenWorld } from '../api/v1/token-world.ts'
import { scratchFolder } from '../support/openssh.ts'

const root = join(import.meta.dirname, '../..')
const scratch = scratchFolder()
let world: ApiWorld
let tokenOf: TokenWorld['tokenOf']
let close: TokenWorld['close']

beforeAll(async () => {
  ;({ world, tokenOf, close } = await openTokenWorld())
  await world.desk.take(draftOf({ session: sessions.sql }))
})
afterAll(async () => {
  await close()
  scratch.remove()
})

type Answer = { readonly code: number; readonly out: string; readonly err: string }

/** Without a configuration, an environment, or anything else of the gateway's machine. */
function sallyport(token: string | undefined, ...args: readonly string[]): Promise<Answer> {
  const env = { PATH: process.env['PATH'], ...(token === undefined ? {} : { SALLYPORT_TOKEN: token }) }
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [join(root, 'bin/sallyport.js'), ...args],
      { cwd: scratch.path, env },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    )
  })
}

const at = (): readonly string[] => ['--gateway', world.url]

test('a token goes to no address in the clear, and to none but the one that was named', async () => {
  const token = await tokenOf()
  for (const url of ['http://bastion.example.com', 'ftp://127.0.0.1', 'bastion']) {
    const { code, err } = await sallyport(token, 'sessions', 'list', '--gateway', url)
    expect([code, err]).toEqual([1, expect.stringContaining('--gateway must be an address such as https://')])
  }
  const elsewhere = createServer((asked, answer) => {
    answer.writeHead(302, { location: `${world.url}${asked.url ?? ''}` }).end()
  })
  await new Promise<void>(resolve => void elsewhere.listen(0, '127.0.0.1', resolve))
  const { port } = elsewhere.address() as AddressInfo
  const { code, err } = await sallyport(token, 'sessions', 'list', '--gateway', `http://127.0.0.1:${port}`)
  elsewhere.close()
  expect([code, err]).toEqual([1, expect.stringContaining('does not answer')])
})

test('without a token, with an old one, and for what is not theirs, people are told so', async () => {
  const none = await sallyport(undefined, 'sessions', 'list', ...at())
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('$SALLYPORT_TOKEN')])
  const old = await tokenOf({ exp: Math.floor(Date.now() / 1000) - 60 })
  const late = await sallyport(old, 'sessions', 'list', ...at())
  expect([late.code, late.err]).toEqual([1, expect.stringContaining('still valid?')])
  expect(late.err).not.toContain(old)
  const lab = await sallyport(await tokenOf(), 'sessions', 'show', sessions.lab, ...at())
  expect([lab.code, lab.err]).toEqual([1, expect.stringContaining('nothing that you may see')])
  const plain = await sallyport(await tokenOf({ groups: [] }), 'findings', 'list', ...at())
  expect(plain.code).toBe(1)
  const bad = await sallyport(await tokenOf(), 'sessions', 'end', sessions.open, '--reason', 'x\ny', ...at())
  expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('reason')])
})

test('sessions are asked for by person, target, protocol and time, and a list says how to go on', async () => {
  const token = await tokenOf()
  const list = (...args: readonly string[]): Promise<Answer> =>
    sallyport(token, 'sessions', 'list', ...args, ...at())
  const ids = async (...args: readonly string[]): Promise<string[]> =>
    (JSON.parse((await list('--json', ...args)).out) as { id: string }[]).map(({ id }) => id).toSorted()
  expect(await ids('--protocol', 'postgres')).toEqual([sessions.sql])
  expect(await ids('--target', 'web*', '--person', 'watched@example.com')).toEqual([
    sessions.open,
    sessions.ssh,
  ])
  expect(await ids('--person', 'nobody@example.com')).toEqual([])
  expect(await ids('--to', '2020-01-01')).toEqual([])
  expect((await ids('--from', '2020-01-01T00:00Z')).length).toBe(3)
  const first = await list('--limit', '2')
  const cursor = /^2 of 3; --cursor (\S+) shows more$/m.exec(first.out)?.[1] ?? 'none'
  const rest = await list('--limit', '2', '--cursor', cursor)
  expect(rest.out).not.toContain('--cursor')
  const [shown, later] = [first, rest].map(({ out }) => out.match(/^s-\w+/gm) ?? [])
  expect([...(shown ?? []), ...(later ?? [])].toSorted()).toEqual([sessions.open, sessions.sql, sessions.ssh])
  const script = await list('--limit', '1', '--json')
  expect(JSON.parse(script.out)).toHaveLength(1)
  expect(script.err).toContain('--cursor ')
  expect((await list('--target', 'nothing')).out).toContain('No session is like that. Take out a filter')
})

test('sessions are listed, shown and ended with the rights of the token', async () => {
  const token = await tokenOf()
  const list = await sallyport(token, 'sessions', 'list', ...at())
  expect([list.code, list.err]).toEqual([0, ''])
  expect(list.out).toContain(sessions.ssh)
  expect(list.out).not.toContain(sessions.lab)
  const open = await sallyport(token, 'sessions', 'list', '--state', 'open', '--json', ...at())
  expect((JSON.parse(open.out) as { id: string }[]).map(({ id }) => id)).toEqual([sessions.open])
  const shown = await sallyport(token, 'sessions', 'show', sessions.ssh, ...at())
  expect(shown.out).toMatch(/^session +s-ssh$/m)
  expect(shown.out).toMatch(/^recording +\w+$/m)
  const act = (name: string, reason: string): Promise<Answer> =>
    sallyport(token, 'sessions', name, sessions.open, '--reason', reason, ...at())
  expect((await act('resume', 'nothing waits')).err).toContain('not paused')
  expect((await act('pause', 'what is this')).out).toBe(`Session ${sessions.open} is paused.\n`)
  expect((await act('pause', 'again')).err).toContain('Somebody has paused this session')
  expect((await act('resume', 'agreed')).out).toBe(`Session ${sessions.open} goes on.\n`)
  const ended = await sallyport(token, 'sessions', 'end', sessions.open, '--reason', 'not agreed', ...at())
  expect([ended.code, ended.out]).toEqual([0, `Session ${sessions.open} was ended.\n`])
  expect(world.knobs.ended).toEqual([`${sessions.open}: not agreed`])
})

test('findings are listed and decided, in the name of the token', async () => {
  const file = join(scratch.path, 'token')
  writeFileSync(file, `${await tokenOf()}\n`, { mode: 0o600 })
  const place = [...at(), '--token-file', file]
  const list = await sallyport(undefined, 'findings', 'list', '--state', 'new', '--json', ...place)
  const [first] = (JSON.parse(list.out) as FindingPage).items
  expect(first).toMatchObject({ session: sessions.sql, severity: 'high' })
  const id = first?.id ?? ''
  const taken = await sallyport(undefined, 'findings', 'acknowledge', id, ...place)
  expect(taken.out).toMatch(/^state +acknowledged$/m)
  const shown = await sallyport(undefined, 'findings', 'show', id, ...place)
  expect(shown.out).toContain('tool@example.com: ')
  const long = await sallyport(undefined, 'findings', 'snooze', id, '--for', '15d', ...place)
  expect([long.code, long.err]).toEqual([1, expect.stringContaining('two weeks')])
  const snoozed = await sallyport(undefined, 'findings', 'snooze', id, '--for', '4h', ...place)
  expect(snoozed.out).toMatch(/^snoozed until +\d{4}-/m)
})

test('what was done is searched with the rights of the token, and that is noted', async () => {
  const { code, out, err } = await sallyport(await tokenOf(), 'search', 'nothing-of-the-kind', ...at())
  expect([code, err, out]).toEqual([0, '', 'Nothing was found.\n'])
  expect(world.audit.findLast(({ kind }) => kind === 'search')).toMatchObject({
    query: 'nothing-of-the-kind',
    name: 'tool@example.com',
  })
})
