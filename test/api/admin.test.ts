import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LiveWatch } from '../../src/recorder/live-watch.ts'
import type { Watching } from '../../src/session/live.ts'
import { purgedView, unlimitedView } from './world.ts'
import { createAdmin } from '../../src/api/admin.ts'
import { type AdminServer, serveAdmin } from '../../src/api/admin-socket.ts'
import type { AdminDeps, ReloadResult, WebAuditEvent } from '../../src/api/deps.ts'
import { pathIn } from '../../src/recorder/storage/local-store.ts'
import { systemClock } from '../../src/clock.ts'
import type { KeyAsk } from '../../src/credentials/key-changes.ts'
import { Fault } from '../../src/errors.ts'
import { openLog } from '../../src/log.ts'
import { sessionRow } from './world.ts'

let folder: string
let server: AdminServer
let ended: string[]
let audit: WebAuditEvent[]
let auditFails: boolean
let released: number
let reloaded: ReloadResult
let keysAsked: KeyAsk[]
const rows = [
  sessionRow(),
  sessionRow({ id: 'open-one', state: 'open' }),
  sessionRow({ id: 's-2' }),
  sessionRow({ id: 'bad', recording: '../../../etc/shadow' }),
]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-admin-'))
  ended = []
  audit = []
  keysAsked = []
  auditFails = false
  released = 0
  reloaded = { ok: true, endedSessions: 2 }
  server = await serveAdmin(createAdmin(deps()), join(folder, 'admin.sock'))
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

let watching: Watching = { kind: 'not-open' }
const holdsAsked: unknown[] = []
const asked = <T>(wish: unknown, answer: T): T => {
  holdsAsked.push(wish)
  return answer
}
const emptyPlan = {
  at: '',
  due: [],
  dueCount: 0,
  held: [],
  heldCount: 0,
  keptCount: 0,
  unlimitedCount: 0,
  nextAt: undefined,
  rules: [],
  pending: [],
}
const forgotten = {
  issuer: 'i',
  subject: 's',
  dryRun: true,
  removed: 0,
  rowsCleared: 0,
  remains: [],
  notes: [],
}

function deps(): AdminDeps {
  return {
    store: {
      sessions: {
        get: async id => rows.find(row => row.id === id),
        list: async ({ limit, state }) =>
          rows.filter(row => state === undefined || row.state === state).slice(0, limit),
      },
      signIns: {
        insert: async () => {},
        find: async () => undefined,
        remove: async () => {},
        removeExpired: async () => 0,
      },
    },
    catalogue: {
      page: async ({ filter }) =>
        filter.visible.kind === 'all'
          ? { rows: rows.slice(0, 1), next: undefined, total: 1, isTotalExact: true }
          : { rows: [], next: undefined, total: 0, isTotalExact: true },
    },
    audit: {
      append: event => {
        if (auditFails)
          throw new Fault('AUDIT_APPEND_FAILED', 'The audit log cannot be written, so nothing is read.')
        audit.push(event)
      },
    },
    analysis: {
      search: {
        search: async ({ text }) =>
          text === 'kind:x'
            ? { ok: false, problem: 'kind: is one of these' }
            : { ok: true, page: { items: [], total: 0, isTotalExact: true, tookMs: 1 } },
        progress: async () => ({ done: 2, entries: 7 }),
      },
      reindex: async () => true,
    },
    changeKeys: async ask => {
      keysAsked.push(ask)
      return [{ change: 'activated', purpose: 'targets', keyId: 'SHA256:new' }]
    },
    live: {
      end: (id, reason) => id === 'open-one' && ended.push(reason) > 0,
      watch: () => watching,
      list: () => [],
    },
    recordings: {
      fetch: async recording => ({
        path: pathIn(join(folder, 'recordings'), recording),
        release: () => released++,
      }),
    },
    appendSigned: () => Promise.reject(new Error('nobody asks for it here')),
    reload: async () => reloaded,
    // The routes are tested with a desk over a real store: test/api/finding-routes.test.ts.
    findings: {} as AdminDeps['findings'],
    notify: {
      overview: async () => ({ sinks: [], letters: [] }),
      retry: async letter =>
        letter === 'soc.1' ? { kind: 'not-sent', reason: 'nobody is there' } : { kind: 'no-letter' },
      drop: async (letter, by) => letter === 'soc.1' && by !== '',
      resume: async sink => sink === 'soc',
    },
    retention: {
      plan: async () => ({ ...emptyPlan, dueCount: 4 }),
      run: async by => ({
        purgedCount: 1,
        bytes: 10,
        purged: ['s-1'],
        pending: [{ session: by, problem: '' }],
        refused: [],
      }),
      hold: async (wish, by) => asked([wish, by], []),
      release: async (wish, by) => asked([wish, by], []),
      holds: async () => [],
      forget: async (person, wish) => asked([person, wish], forgotten),
      viewsOf: async sessions => sessions.map(({ id }) => (id === 's-2' ? purgedView : unlimitedView)),
    },
    sweep: async () => ({ removed: 3, left: 0 }),
    metrics: async () => 'sallyport_sessions 1\n',
    probe: async () => [{ what: 'issuer', ok: true, text: 'answers' }],
    clock: systemClock,
    log: openLog('silent'),
  }
}

type Answer = { status: number | undefined; body: Record<string, unknown> }

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const { status, text } = await callForText(method, path, body)
  return { status, body: JSON.parse(text) as Record<string, unknown> }
}

type TextAnswer = { status: number | undefined; text: string }

async function callForText(method: string, path: string, body?: unknown): Promise<TextAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<TextAnswer>()
  const outgoing = request(
    { socketPath: server.path, method, path, headers: { host: 'admin' } },
    response => {
      let text = ''
      response.on('data', (part: Buffer) => void (text += part.toString()))
      response.on('end', () => resolve({ status: response.statusCode, text }))
    },
  )
  outgoing
    .on('error', reject)
    .end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
  return await promise
}

describe('the socket', () => {
  test('is open to its own user alone', () => {
    expect((statSync(server.path).mode & 0o777).toString(8)).toBe('600')
  })

  test('replaces what a dead gateway left, but nothing that is no socket', async () => {
    const path = join(folder, 'other.sock')
    const first = await serveAdmin(createAdmin(deps()), path)
    const second = await serveAdmin(createAdmin(deps()), path)
    await Promise.all([first.close(), second.close()])
    writeFileSync(path, 'precious')
    await expect(serveAdmin(createAdmin(deps()), path)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    expect(statSync(path).size).toBe(8)
  })

  test('whose path is too long for the system is refused with a sentence', async () => {
    await expect(serveAdmin(createAdmin(deps()), join(folder, 'x'.repeat(200)))).rejects.toThrow(
      'shorter data folder',
    )
  })
})

test.each([
  ['GET', '/nothing', undefined, 404],
  ['GET', '/sessions/unknown', undefined, 404],
  ['GET', '/sessions?limit=0', undefined, 400],
  ['GET', '/sessions?limit=1000000', undefined, 400],
  ['GET', '/sessions?state=wild', undefined, 400],
  ['POST', '/sessions/find', { filter: { among: {} }, limit: 1001 }, 400],
  ['POST', '/sessions/find', { filter: { among: {}, visible: { kind: 'own' } }, limit: 1 }, 400],
  ['POST', '/sessions/find', { filter: { among: {}, states: ['wild'] }, limit: 1 }, 400],
  ['POST', '/sessions/unknown/end', { reason: 'x' }, 404],
  ['POST', '/sessions/s-1/end', { reason: 'x' }, 404],
  ['POST', '/sessions/open-one/end', {}, 400],
  ['POST', '/sessions/open-one/end', { reason: ' ' }, 400],
  ['POST', '/sessions/open-one/end', { reason: 'a\nb' }, 400],
  ['POST', '/sessions/open-one/end', { reason: '\u202ex' }, 400],
  ['POST', '/sessions/open-one/end', { reason: 'x', more: 1 }, 400],
  ['POST', '/sessions/open-one/end', 'no json', 400],
  ['POST', '/sessions/open-one/end', { reason: 'x'.repeat(20_000) }, 413],
  ['POST', '/recordings/unknown/read', { purpose: 'x' }, 404],
  ['POST', '/recordings/s-1/read', {}, 400],
  ['POST', '/keys', { change: 'rotate', purpose: 'no purpose', by: 'x' }, 400],
  ['POST', '/keys', { change: 'rotate', purpose: 'targets', overlapMs: -1, by: 'x' }, 400],
  ['POST', '/keys', { change: 'revoke', keyId: 'SHA256:x', why: 'a\nb', by: 'x' }, 400],
  ['POST', '/keys', { change: 'activate', purpose: 'targets' }, 400],
  ['POST', '/recordings/bad/read', { purpose: 'x' }, 500],
])('%s %s is refused with a problem document', async (method, path, body, status) => {
  const answer = await call(method, path, body)
  expect([answer.status, answer.body['status']]).toEqual([status, status])
  expect(answer.body['detail']).toEqual(expect.any(String))
  expect([ended, audit]).toEqual([[], []])
})

test('nobody learns where a recording is while the audit log cannot say that it was read', async () => {
  auditFails = true
  const answer = await call('POST', '/recordings/s-1/read', { purpose: 'play' })
  expect([answer.status, answer.body['path'], answer.body['detail']]).toEqual([
    503,
    undefined,
    expect.stringContaining('cannot be written'),
  ])
  expect(released).toBe(1)
})

test('a change of keys is handed on with who asks for it', async () => {
  const answer = await call('POST', '/keys', { change: 'rotate', purpose: 'targets', overlapMs: 5, by: 'me' })
  expect(keysAsked).toEqual([{ change: 'rotate', purpose: 'targets', overlapMs: 5 }])
  expect(answer.body).toEqual({ changes: [{ change: 'activated', purpose: 'targets', keyId: 'SHA256:new' }] })
})

test('a reading is in the audit log before the path is told', async () => {
  const answer = await call('POST', '/recordings/s-1/read', { purpose: 'play' })
  expect(answer.body).toMatchObject({ path: join(folder, 'recordings', 's-1.sprec') })
  expect(audit).toEqual([{ kind: 'recording-read', session: 's-1', purpose: 'play', by: 'admin socket' }])
})

test('what is read stays where it is until its reader is done', async () => {
  const { body } = await call('POST', '/recordings/s-1/read', { purpose: 'play' })
  expect([typeof body['ticket'], released]).toEqual(['number', 0])
  await call('POST', '/recordings/done', { tickets: [body['ticket'], 77] })
  await call('POST', '/recordings/done', { tickets: [body['ticket']] })
  expect(released).toBe(1)
})

test('sessions are listed, shown and ended', async () => {
  expect((await call('GET', '/sessions?limit=1')).body).toEqual({
    sessions: [JSON.parse(JSON.stringify(rows[0]))],
  })
  expect((await call('GET', '/sessions?state=open')).body['sessions']).toHaveLength(1)
  const wish = { filter: { among: { target: { is: ['web*'], not: [] } }, fromMs: 1 }, limit: 1 }
  expect((await call('POST', '/sessions/find', wish)).body).toMatchObject({ total: 1, rows: [{ id: 's-1' }] })
  expect((await call('GET', '/sessions/s-1')).body).toMatchObject({ id: 's-1' })
  expect((await call('POST', '/sessions/open-one/end', { reason: 'maintenance' })).status).toBe(200)
  expect(ended).toEqual(['maintenance'])
})

test('a reload says how many sessions it ended, or that nothing was changed and why', async () => {
  expect((await call('POST', '/reload')).body).toEqual({ endedSessions: 2 })
  reloaded = { ok: false, problems: 'gateway.yaml:3: unknown key' }
  expect((await call('POST', '/reload')).body).toMatchObject({
    status: 422,
    detail: 'gateway.yaml:3: unknown key',
  })
})

test('a probe answers what it found', async () => {
  expect((await call('POST', '/probe')).body).toEqual({
    results: [{ what: 'issuer', ok: true, text: 'answers' }],
  })
})

test('what was purged is not "not found": it says when and by which rule, and nothing is told to have been read', async () => {
  audit.length = 0
  const answer = await call('POST', '/recordings/s-2/read', { purpose: 'play' })
  expect(answer).toMatchObject({
    status: 410,
    body: {
      detail: 'This recording was removed on 2027-04-05 by policy, by the rule of line 12: all, max 400d.',
    },
  })
  expect(audit).toEqual([])
})

test.each([
  ['/retention/run', {}],
  ['/retention/holds', { sessions: ['s-1'], persons: [], who: 'legal', by: 'x' }],
  ['/retention/holds', { sessions: ['s-1'], persons: [], who: 'legal', why: 'a\u202eb', by: 'x' }],
  ['/retention/holds', { sessions: ['s-1'], persons: [], who: 'legal', why: 'w', by: 'x', untilMs: -1 }],
  ['/retention/holds', { sessions: ['s-1'], persons: [{ issuer: 'i' }], who: 'legal', why: 'w', by: 'x' }],
  ['/retention/release', { ids: ['h1'], who: 'legal', by: 'x' }],
  ['/retention/forget', { person: { name: 'Alice' }, why: 'asked', by: 'x' }],
  ['/retention/forget', { person: {}, why: 'asked', by: 'x', dryRun: true }],
])('retention refuses what is not said: %s %j', async (path, body) => {
  expect((await call('POST', path, body)).status).toBe(400)
  expect(holdsAsked).toEqual([])
})

test('retention is planned, run, held and asked for', async () => {
  expect((await call('GET', '/retention/plan')).body).toMatchObject({ dueCount: 4 })
  expect((await call('POST', '/retention/run', { by: 'me' })).body).toMatchObject({ purged: ['s-1'] })
  const wish = {
    sessions: ['s-1'],
    persons: [{ name: 'Alice' }],
    caseName: 'C-1',
    who: 'legal',
    why: 'a dispute',
  }
  await call('POST', '/retention/holds', { ...wish, by: 'me' })
  const forget = { why: 'asked', by: 'me', dryRun: true }
  await call('POST', '/retention/forget', { person: { issuer: 'i', subject: 's' }, ...forget })
  expect(holdsAsked.splice(0)).toEqual([
    [{ ...wish, untilMs: undefined }, 'me'],
    [{ issuer: 'i', subject: 's' }, forget],
  ])
})

test('who watches is in the audit log before they see a word, and when they leave', async () => {
  audit.length = 0
  const watch = new LiveWatch(() => {})
  watching = { kind: 'watching', watch, row: sessionRow({ id: 'open-one', state: 'open' }) }
  watch.push('{"us":1,"event":{"type":"shell","channel":0}}')
  watch.end({ reason: 'ended', text: 'over' })
  const { status, text } = await callForText('GET', '/sessions/open-one/watch?by=me')
  const lines = text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  expect(status).toBe(200)
  expect(lines).toMatchObject([
    { session: { id: 'open-one' } },
    { us: 1, event: { type: 'shell' } },
    { end: { reason: 'ended', text: 'over' } },
  ])
  expect(audit).toEqual([
    { kind: 'watch-begin', session: 'open-one', by: 'me' },
    { kind: 'watch-end', session: 'open-one', by: 'me', events: 1, reason: 'ended' },
  ])
})

describe('who goes away is in the audit log once, with why', () => {
  const line = '{"us":1,"event":{"type":"shell","channel":0}}'
  const begin = async (watch: LiveWatch): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
    audit.length = 0
    watching = { kind: 'watching', watch, row: sessionRow({ id: 'open-one', state: 'open' }) }
    const { body } = await createAdmin(deps()).request('/sessions/open-one/watch?by=me')
    if (body === null) throw new Error('there is nothing to read')
    return body.getReader()
  }
  const ends = () => audit.filter(({ kind }) => kind === 'watch-end')

  test('before anything was read', async () => {
    const reader = await begin(new LiveWatch(() => {}))
    await reader.cancel()
    expect(ends()).toMatchObject([{ session: 'open-one', by: 'me', events: 0, reason: 'left' }])
  })

  test('while more waits than they read', async () => {
    const watch = new LiveWatch(() => {})
    const reader = await begin(watch)
    await reader.read()
    for (let at = 0; at < 3; at++) watch.push(line)
    await reader.cancel()
    expect(ends()).toMatchObject([{ events: 3, reason: 'left' }])
  })

  test('when they were too slow before', async () => {
    const watch = new LiveWatch(() => {}, line.length)
    const reader = await begin(watch)
    for (let at = 0; at < 3; at++) watch.push(line)
    await reader.cancel()
    expect(ends()).toMatchObject([{ reason: 'too-slow' }])
  })

  test('while they wait for the next word', async () => {
    const reader = await begin(new LiveWatch(() => {}))
    await reader.read()
    const waiting = reader.read()
    await reader.cancel()
    await waiting
    expect(ends()).toMatchObject([{ reason: 'left' }])
  })
})

test('nobody watches what is not open, nor without the audit log', async () => {
  audit.length = 0
  for (const [kind, status] of [
    ['not-open', 404],
    ['too-many', 429],
  ] as const) {
    watching = { kind }
    expect((await call('GET', '/sessions/open-one/watch?by=me')).status).toBe(status)
  }
  expect((await call('GET', '/sessions/open-one/watch')).status).toBe(400)
  const over: LiveWatch[] = []
  const watch = new LiveWatch(one => over.push(one))
  watching = { kind: 'watching', watch, row: sessionRow({ id: 'open-one', state: 'open' }) }
  auditFails = true
  const refused = await call('GET', '/sessions/open-one/watch?by=me')
  auditFails = false
  expect([refused.status, over, audit]).toEqual([503, [watch], []])
})

test.each([
  ['/notify/letters/soc.2/retry', 404],
  ['/notify/letters/soc.2/drop', 404],
  ['/notify/sinks/other/resume', 404],
  ['/notify/letters/soc.1/retry', 200],
  ['/notify/letters/soc.1/drop', 200],
  ['/notify/sinks/soc/resume', 200],
])('what goes out to others: %s is answered with %d, and who asks has to be said', async (path, status) => {
  const app = createAdmin(deps())
  const ask = (body: object) => app.request(path, { method: 'POST', body: JSON.stringify(body) })
  expect((await ask({})).status).toBe(400)
  expect((await ask({ by: 'a\u001b[2J' })).status).toBe(400)
  expect((await ask({ by: 'local user 0' })).status).toBe(status)
})
