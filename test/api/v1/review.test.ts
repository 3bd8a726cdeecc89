import { WebSocket } from 'ws'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { mergeStretches } from '../../../src/api/v1/stretches.ts'
import type {
  Comment,
  ConsistencyView,
  EntryView,
  IntegrityView,
  OwnData,
  Page,
  PolicyView,
  Replay,
  ReplayKeyframe,
  SessionDetail,
  SessionPage,
  StatementText,
  Watched,
} from '../../../src/api/schema.ts'
import { output, turn } from '../../recorder/support.ts'
import { purgedView, unlimitedView } from '../world.ts'
import { type ApiWorld, openApiWorld, sessions, type Who } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())
beforeEach(() => {
  world.audit.length = 0
  Object.assign(world.knobs, { auditFails: false, kept: unlimitedView, fourEyes: () => [] })
})

async function get<T>(who: Who, path: string): Promise<T> {
  const answer = await world.ask(who, 'GET', path)
  expect(answer.status, answer.text).toBe(200)
  return answer.json as T
}

describe('whoever watches is watched:', () => {
  const readings = [
    ['replay', `/sessions/${sessions.ssh}/replay`],
    ['replay', `/sessions/${sessions.ssh}/chunks/1`],
    ['replay', `/sessions/${sessions.ssh}/keyframes/0`],
    ['replay', `/sessions/${sessions.ssh}/events/1`],
    ['transcript', `/sessions/${sessions.ssh}/commands`],
    ['transcript', `/sessions/${sessions.sql}/statements/0`],
    ['recording as stored', `/sessions/${sessions.ssh}/recording`],
    ['export as text', `/sessions/${sessions.ssh}/exports/text`],
    ['export as bundle', `/sessions/${sessions.ssh}/exports/bundle`],
    ['report', `/sessions/${sessions.ssh}/report`],
  ] as const

  test.each(readings)('%s of %s is noted before its first byte, or there is none', async (purpose, path) => {
    world.knobs.aheadMs += 3_700_000
    world.knobs.auditFails = true
    const refused = await world.ask('reviewer', 'GET', path)
    expect(refused.status).toBe(503)
    expect(refused.text).not.toContain('systemctl')
    world.knobs.auditFails = false
    expect((await world.ask('reviewer', 'GET', path)).status).toBe(200)
    expect(world.audit).toContainEqual(
      expect.objectContaining({ kind: 'recording-read', purpose, name: 'reviewer@example.com' }),
    )
  })

  test('playing is noted once an hour for each person, and what leaves as a file each time', async () => {
    world.knobs.aheadMs += 3_700_000
    const noted = () => world.audit.filter(({ kind }) => kind === 'recording-read').length
    for (let i = 0; i < 3; i++) await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/events/1`)
    expect(noted()).toBe(1)
    await world.ask('second', 'GET', `/sessions/${sessions.ssh}/events/1`)
    expect(noted()).toBe(2)
    world.knobs.aheadMs += 3_600_001
    await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/events/1`)
    expect(noted()).toBe(3)
    for (let i = 0; i < 2; i++) await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/exports/text`)
    expect(noted()).toBe(5)
  })

  test('a search is noted with its words, and not found where it cannot be', async () => {
    world.knobs.auditFails = true
    expect((await world.ask('reviewer', 'GET', '/search?q=payroll')).status).toBe(503)
    world.knobs.auditFails = false
    for (let i = 0; i < 2; i++) await get('reviewer', '/search?q=payroll')
    expect(world.audit.filter(({ kind }) => kind === 'search')).toEqual([
      expect.objectContaining({ query: 'payroll', name: 'reviewer@example.com' }),
    ])
  })

  test('and people see who read their sessions', async () => {
    await world.ask('second', 'GET', `/sessions/${sessions.sql}/statements`)
    const { views } = await get<OwnData>('watched', '/me/data')
    expect(views).toContainEqual({
      atMs: expect.any(Number),
      by: 'second@example.com',
      session: sessions.sql,
      purpose: 'transcript',
    })
    expect((await get<OwnData>('second', '/me/data')).views).toEqual([])
    const own = await get<SessionPage>('watched', '/me/sessions')
    expect(own.total).toBe(4)
    expect((await get<SessionPage>('reviewer', '/me/sessions')).items).toEqual([])
  })
})

describe('a recording', () => {
  test('plays from its map: channels, chunks, keyframes, heat', async () => {
    const replay = await get<Replay>('reviewer', `/sessions/${sessions.ssh}/replay`)
    expect(replay.channels).toEqual([
      { channel: 0, kind: 'shell', columns: 80, rows: 24, isTerminal: true },
      { channel: 1, kind: 'exec', columns: 80, rows: 24, isTerminal: false },
    ])
    const [chunk] = replay.chunks
    const stored = await world.ask(
      'reviewer',
      'GET',
      `/sessions/${sessions.ssh}/chunks/${chunk?.number ?? 0}?count=9`,
    )
    expect(stored.status).toBe(200)
    expect(replay.heat.output.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(20)
    const [keyframe] = replay.keyframes
    const screen = await get<ReplayKeyframe>(
      'reviewer',
      `/sessions/${sessions.ssh}/keyframes/${keyframe?.number ?? 0}`,
    )
    expect(screen).toMatchObject({ channel: 0, columns: 80, rows: 24, chunk: chunk?.number })
    const events = await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/events/${screen.chunk}`)
    const lines = events.text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { type: string; text?: string })
    // The first keyframe is the terminal as it begins; what comes after it is what it does not show.
    expect(lines[screen.skipEvents - 1]?.type).toBe('pty')
    expect(lines.find(({ type }) => type === 'exec')?.text).toBe('systemctl restart app')
  })

  test('that was removed says so', async () => {
    world.knobs.kept = purgedView
    const answer = await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/replay`)
    expect(answer.status).toBe(410)
    expect(answer.text).toContain('removed on 2027-04-05')
    const detail = await get<SessionDetail>('reviewer', `/sessions/${sessions.ssh}`)
    expect(detail.integrity).toBe('removed')
    expect(detail.recording.removed).toBeDefined()
  })

  test('is checked when somebody looks at its session', async () => {
    await expect
      .poll(async () => (await get<SessionDetail>('reviewer', `/sessions/${sessions.sql}`)).integrity)
      .toBe('verified')
    const detail = await get<SessionDetail>('reviewer', `/sessions/${sessions.sql}`)
    expect(detail.recording.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(detail.facts).toContainEqual({ name: 'gateway', value: expect.any(String) })
  })

  test('is told as commands and statements, with parameters and rows apart', async () => {
    const commands = await get<Page<EntryView>>('reviewer', `/sessions/${sessions.ssh}/commands`)
    expect(commands.items.find(({ detail }) => detail['found'] === 'exec')).toMatchObject({
      text: 'systemctl restart app',
      detail: { exitStatus: 0 },
    })
    const first = await get<Page<EntryView>>('reviewer', `/sessions/${sessions.sql}/statements?limit=1`)
    expect(first.items).toHaveLength(1)
    const rest = await get<Page<EntryView>>(
      'reviewer',
      `/sessions/${sessions.sql}/statements?limit=1&cursor=${first.next}`,
    )
    expect(rest.items[0]).toMatchObject({ text: 'drop table customers', detail: { sqlstate: '42501' } })
    expect(rest.next).toBeUndefined()
    const statement = await get<StatementText>(
      'reviewer',
      `/sessions/${sessions.sql}/statements/${first.items[0]?.number}`,
    )
    expect(statement).toMatchObject({
      text: 'select id, name from customers where id = 7',
      normalised: 'select id, name from customers where id = $1',
      columns: ['id', 'name'],
      head: [['7', null]],
    })
  })

  test('leaves as a file that says what it is, and as a report in which nothing can run', async () => {
    const cast = await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/exports/asciicast-v2`)
    expect(cast.headers.get('content-disposition')).toBe('attachment; filename="s-ssh.cast"')
    expect(cast.text.split('\n')[0]).toContain('"version":2')
    const report = await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/report`)
    expect(report.headers.get('content-security-policy')).toContain('sandbox')
    expect(report.headers.get('content-security-policy')).not.toContain('unsafe-inline')
    expect(report.text).toContain('systemctl restart app')
    expect(report.text).not.toContain('<script')
  })
})

describe('a review', () => {
  test('takes as many people as policy says', async () => {
    const path = `/sessions/${sessions.sql}`
    const isReviewed = async () =>
      (await get<SessionPage>('reviewer', '/sessions?reviewed=1')).items.some(({ id }) => id === sessions.sql)
    world.knobs.fourEyes = () => ['high', 'critical']
    await world.desk.take({
      session: sessions.sql,
      group: 'sql.drop',
      kind: 'rule',
      severity: 'high',
      rules: ['sql.drop'],
      atMs: Date.now(),
      body: {
        sentence: 'A table was dropped.',
        why: [],
        quotes: [],
        techniques: [],
        benign: [],
        quality: [],
        versions: {},
      },
    })
    const verdict = { verdict: 'explained', rationale: 'A migration, OPS-1.' }
    for (let i = 0; i < 2; i++)
      expect((await world.ask('reviewer', 'POST', `${path}/verdict`, verdict)).status).toBe(200)
    expect(await isReviewed()).toBe(false)
    const detail = await get<SessionDetail>('reviewer', path)
    expect(detail).toMatchObject({ verdictsNeeded: 2, worst: 'high', reviewedBy: ['reviewer@example.com'] })
    await world.ask('second', 'POST', `${path}/verdict`, verdict)
    expect(await isReviewed()).toBe(true)
    expect(world.audit.filter(({ kind }) => kind === 'verdict-given')).toHaveLength(3)
    const filtered = await get<SessionPage>('reviewer', '/sessions?severity=high&finding=1')
    expect(filtered.items.map(({ id }) => id)).toEqual([sessions.sql])
  })

  test('that cannot be written to the audit log was not given', async () => {
    world.knobs.auditFails = true
    const body = { verdict: 'expected', rationale: 'Not noted.' }
    expect((await world.ask('second', 'POST', `/sessions/${sessions.ssh}/verdict`, body)).status).toBe(503)
    world.knobs.auditFails = false
    expect((await get<SessionDetail>('reviewer', `/sessions/${sessions.ssh}`)).verdicts).toEqual([])
  })

  test('has comments at their moments, and what was watched', async () => {
    const path = `/sessions/${sessions.ssh}`
    await world.ask('second', 'POST', `${path}/comments`, { offsetMs: 1500, text: 'Here.' })
    const { items } = await get<Page<Comment>>('reviewer', `${path}/comments`)
    expect(items).toMatchObject([{ by: 'second@example.com', offsetMs: 1500, text: 'Here.' }])
    for (const stretches of [
      [{ fromMs: 0, toMs: 10 }],
      [
        { fromMs: 5000, toMs: 6000 },
        { fromMs: 5, toMs: 20 },
      ],
    ])
      await world.ask('second', 'POST', `${path}/watched`, { stretches })
    expect(await get<Watched[]>('reviewer', `${path}/watched`)).toMatchObject([
      {
        by: 'second@example.com',
        stretches: [
          { fromMs: 0, toMs: 20 },
          { fromMs: 5000, toMs: 6000 },
        ],
      },
    ])
  })

  test('ends a session with a reason', async () => {
    world.knobs.ended.length = 0
    expect(
      (await world.ask('second', 'POST', `/sessions/${sessions.open}/end`, { reason: 'not today' })).status,
    ).toBe(204)
    expect(world.knobs.ended).toEqual([`${sessions.open}: not today`])
    expect(world.audit).toContainEqual(expect.objectContaining({ kind: 'end-asked', reason: 'not today' }))
  })
})

test('stretches become few, in order, and none that nobody watched', () => {
  expect(
    mergeStretches([
      { fromMs: 9, toMs: 12 },
      { fromMs: 0, toMs: 5 },
      { fromMs: 4, toMs: 10 },
    ]),
  ).toEqual([{ fromMs: 0, toMs: 12 }])
  const many = Array.from({ length: 2000 }, (_, at) => ({ fromMs: at * 1000, toMs: at * 1000 + (at % 7) }))
  const merged = mergeStretches(many)
  expect(merged).toHaveLength(500)
  expect(merged.every(({ fromMs, toMs }) => toMs - fromMs <= 6)).toBe(true)
})

test('lists that somebody keeps are theirs alone', async () => {
  const made = await world.ask('reviewer', 'POST', '/me/views', {
    name: 'Open ones',
    page: 'sessions',
    query: 'state=open',
  })
  const { id } = made.json as { id: string }
  expect(await get('second', '/me/views')).toEqual([])
  expect((await world.ask('second', 'DELETE', `/me/views/${id}`)).status).toBe(404)
  expect(await get('reviewer', '/me/views')).toMatchObject([{ id, name: 'Open ones' }])
  expect((await world.ask('reviewer', 'DELETE', `/me/views/${id}`)).status).toBe(204)
  for (let i = 0; i < 50; i++)
    await world.ask('reviewer', 'POST', '/me/views', { name: `${i}`, page: 'search', query: '' })
  expect(
    (await world.ask('reviewer', 'POST', '/me/views', { name: 'x', page: 'search', query: '' })).status,
  ).toBe(409)
})

test('the policy is shown without what is secret, and explains itself', async () => {
  const policy = await get<PolicyView>('reviewer', '/policy')
  expect(policy.text).toContain('name: orders')
  expect(policy.text).not.toMatch(/broker|SECRET|env:SECRET|10\.0\.0\.1/)
  expect(policy.roles.map(({ name }) => name)).toEqual(['admin', 'auditor', 'lab'])
  const ask = { principal: 'ada@example.com', groups: [], target: 'web1', login: 'root' }
  const denied = await world.ask('reviewer', 'POST', '/policy/explain', ask)
  expect(denied.json).toMatchObject({ allowed: false })
  const allowed = await world.ask('reviewer', 'POST', '/policy/explain', { ...ask, groups: ['admins'] })
  expect(allowed.json).toMatchObject({ allowed: true })
})

test('the log of sessions is shown with what proves that it only grew', async () => {
  const view = await get<IntegrityView>('reviewer', '/integrity')
  expect(view.treeSize).toBeGreaterThan(4)
  expect(view.checkpoints[0]?.note).toContain('bastion.test')
  expect(view.keys.some(({ purpose }) => purpose === 'recording-heads')).toBe(true)
  const proof = await get<ConsistencyView>('reviewer', `/integrity/consistency?from=2&to=${view.treeSize}`)
  expect(proof.proof.length).toBeGreaterThan(0)
  for (const wrong of ['from=0&to=2', 'from=3&to=2'])
    expect((await world.ask('reviewer', 'GET', `/integrity/consistency?${wrong}`)).status).toBe(404)
})

describe('watching live', () => {
  async function socketOf(who: Who, more: Record<string, string> = {}): Promise<WebSocket> {
    const { 'X-Sallyport-Token': _, ...headers } = await world.headers(who)
    const address = `${world.url.replace('http', 'ws')}/api/v1/sessions/${sessions.open}/live`
    return new WebSocket(address, { headers: { ...headers, Origin: world.url, ...more } })
  }
  async function refusalOf(who: Who, more: Record<string, string> = {}): Promise<number | undefined> {
    const socket = await socketOf(who, more)
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode))
    socket.on('error', () => {})
    return await promise
  }

  test('is for whoever may review it, from our own page', async () => {
    expect(await refusalOf('nobody')).toBe(401)
    expect(await refusalOf('expired')).toBe(401)
    for (const who of ['plain', 'elsewhere', 'watched'] as const) expect(await refusalOf(who)).toBe(404)
    expect(await refusalOf('reviewer', { Origin: 'https://evil.example' })).toBe(403)
    world.knobs.auditFails = true
    expect(await refusalOf('reviewer')).toBe(503)
  })

  test('shows what happens, and the audit log has who watched, from when to when', async () => {
    const socket = await socketOf('reviewer')
    const lines: Record<string, unknown>[] = []
    socket.on('message', data => {
      for (const line of (data as Buffer).toString().split('\n'))
        lines.push(JSON.parse(line) as Record<string, unknown>)
    })
    await expect.poll(() => lines.length).toBeGreaterThan(1)
    expect(lines[0]).toMatchObject({ session: { id: sessions.open } })
    expect(lines[1]).toMatchObject({ type: 'pty', columns: 80 })
    expect(world.audit).toContainEqual(
      expect.objectContaining({ kind: 'watch-begin', session: sessions.open }),
    )
    world.open.recording.record(output('and on'))
    await turn()
    await expect
      .poll(() => lines.at(-1))
      .toMatchObject({ type: 'output', base64: Buffer.from('and on').toString('base64') })
    socket.close()
    await expect
      .poll(() => world.audit)
      .toContainEqual(expect.objectContaining({ kind: 'watch-end', events: 2, reason: 'left' }))
  })

  test('ends when the right to it does', async () => {
    const socket = await socketOf('second')
    const lines: string[] = []
    socket.on('message', data => lines.push(...(data as Buffer).toString().split('\n')))
    const closed = Promise.withResolvers<number>()
    socket.on('close', code => closed.resolve(code))
    await expect.poll(() => lines.length).toBeGreaterThan(0)
    await world.signOut('second')
    expect(await closed.promise).toBe(4003)
    expect(lines.at(-1)).toContain('may not watch')
  })
})
