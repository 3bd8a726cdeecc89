import { cpSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type AuditLog, openAuditLog } from '../../../src/audit/audit-log.ts'
import { flushSegments } from '../../../src/audit/segments.ts'
import { openSessionLog, type SessionLog } from '../../../src/audit/tree/session-log.ts'
import { verifyTree } from '../../../src/audit/tree/verify-tree.ts'
import { verifyAudit } from '../../../src/audit/verify.ts'
import type { RetentionRule } from '../../../src/config/config.ts'
import { Fault } from '../../../src/errors.ts'
import { decisionsIn } from '../../../src/recorder/retention/decisions-in.ts'
import { type PurgeStep, Retention } from '../../../src/recorder/retention/retention.ts'
import { localStore } from '../../../src/recorder/storage/local-store.ts'
import type { RecordingStore } from '../../../src/recorder/storage/recording-store.ts'
import { verifyPlaces } from '../../../src/recorder/verify-places.ts'
import { openStore } from '../../../src/store/sqlite-store.ts'
import type { Store } from '../../../src/store/store.ts'
import {
  type Bench,
  newBench,
  newFolder,
  newGrant,
  newSigner,
  output,
  quiet,
  startRecorder,
  turn,
} from '../support.ts'

const day = 86_400_000
const issuer = 'https://login.example.com'
const signer = newSigner()
const year: RetentionRule = { maxMs: 365 * day, line: 9 }

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const part of open.splice(0).toReversed()) await part.close()
})

/** A gateway's ground with real parts; `die` leaves everything as it lies on the disk. */
class Ground {
  readonly bench: Bench
  readonly store: Store
  readonly audit: AuditLog
  readonly sessionLog: SessionLog
  readonly retention: Retention
  rules: RetentionRule[] = [year]
  storage: RecordingStore
  readonly heldThere: string[] = []
  readonly complaints: string[] = []
  readonly forgotten: string[] = []
  /** What keeps what was learned of sessions. */
  mayForget = true

  private constructor(bench: Bench, store: Store, onStep?: (step: PurgeStep) => void) {
    this.bench = bench
    this.store = store
    const { clock } = bench
    const about = { signer, clock, log: quiet }
    this.sessionLog = openSessionLog({ folder: this.at('log'), origin: 'gw', ...about, checkpointAfterMs: 1 })
    this.audit = openAuditLog({ folder: this.at('audit'), ...about })
    this.audit.append({ kind: 'gateway-start' })
    this.storage = localStore(bench.folder)
    this.retention = new Retention({
      store,
      audit: this.audit,
      sessionLog: this.sessionLog,
      flushAudit: () => flushSegments(this.at('audit')),
      folder: bench.folder,
      storage: {
        remove: recording => this.storage.remove(recording),
        mayRemove: recording => this.storage.mayRemove(recording),
        hold: async (recording, on) => void this.heldThere.push(`${on ? '+' : '-'}${recording}`),
      },
      forget: async session => {
        if (!this.mayForget) throw new Error('the index cannot be written')
        this.forgotten.push(session)
      },
      rules: () => this.rules,
      clock,
      log: Object.assign(Object.create(quiet) as typeof quiet, {
        error: (_: object, text: string) => void this.complaints.push(text),
      }),
      timing: { firstRunMs: 1, runEveryMs: 1 },
      ...(onStep === undefined ? {} : { onStep }),
    })
  }

  static async open(bench: Bench = newBench(), onStep?: (step: PurgeStep) => void): Promise<Ground> {
    const ground = new Ground(bench, await openStore(join(dirname(bench.folder), 'state')), onStep)
    open.push(ground)
    return ground
  }

  at(name: string): string {
    return join(dirname(this.bench.folder), name)
  }

  /** Records and ends sessions; `who` is their subject. */
  async record(ids: readonly string[], who = 'alice', more: object = {}): Promise<void> {
    const recorder = startRecorder(this.bench, { sessionLog: this.sessionLog })
    for (const session of ids) {
      const recording = recorder.open(newGrant(), { session, protocol: 'ssh' })
      recording.record(output(`content of ${session}`))
      await turn()
      await recording.seal('done')
      writeFileSync(join(this.bench.folder, recording.path.replace('.sallyport', '.keyframes')), 'screens')
      await this.#insert(session, recording.path, who, more)
    }
    await recorder.close()
  }

  async #insert(id: string, recording: string, subject: string, more: object): Promise<void> {
    const nowMs = this.bench.clock.nowMs()
    await this.store.sessions.insert({
      id,
      protocol: 'ssh',
      issuer,
      subject,
      principalName: `${subject}@example.com`,
      target: 'web1',
      login: 'root',
      role: 'admin',
      sourceAddress: '192.0.2.7',
      owner: 'o',
      openedAtMs: nowMs,
      endedAtMs: nowMs,
      state: 'ended',
      endReason: 'done',
      recording,
      labels: { env: 'prod' },
      ...more,
    })
  }

  files(): string[] {
    const names = readdirSync(this.bench.folder, { recursive: true, encoding: 'utf8' })
    return names.filter(name => /\.(sallyport|keyframes)$/.test(name)).toSorted()
  }

  /** What `sallyport verify` finds, with nothing but the files and the key. */
  verify() {
    const keys = [signer.publicKeyPem]
    const { result, leaves } = verifyTree(this.at('log'), { keys })
    expect([result.ok, verifyAudit(this.at('audit'), keys).ok]).toEqual([true, true])
    const recordings = this.files().filter(name => name.endsWith('.sallyport'))
    return verifyPlaces(
      leaves,
      recordings.map(name => join(this.bench.folder, name)),
      decisionsIn(this.at('audit')),
    )
  }

  async close(): Promise<void> {
    await this.retention.stop()
    await this.audit.close()
    await this.sessionLog.close()
    await this.store.close()
  }
}

const hold = {
  sessions: [],
  persons: [],
  caseName: undefined,
  who: 'legal',
  why: 'a dispute',
  untilMs: undefined,
}

describe('what is not removed', () => {
  test('without rules nothing is', async () => {
    const ground = await Ground.open()
    ground.rules = []
    await ground.record(['one'])
    ground.bench.clock.advance(10_000 * day)
    expect(await ground.retention.run('test')).toMatchObject({ purgedCount: 0, pending: [] })
    expect(ground.files()).toHaveLength(2)
  })

  test('an open session is not, however old', async () => {
    const ground = await Ground.open()
    await ground.record(['one'], 'alice', { state: 'open', endedAtMs: undefined })
    ground.bench.clock.advance(1000 * day)
    expect((await ground.retention.run('test')).purgedCount).toBe(0)
    const forgotten = await ground.retention.forget(
      { issuer, subject: 'alice' },
      { why: 'x', by: 't', dryRun: false },
    )
    expect(forgotten).toMatchObject({ removed: 0, remains: [{ session: 'one', why: 'it is still open' }] })
    expect(ground.files()).toHaveLength(2)
  })

  test('what is on hold is not, until it is released or over', async () => {
    const ground = await Ground.open()
    await ground.record(['one', 'two', 'three'])
    await ground.record(['four'], 'bob')
    const untilMs = ground.bench.clock.nowMs() + 500 * day
    await ground.retention.hold({ ...hold, sessions: ['one'], caseName: 'C-1' }, 'test')
    await ground.retention.hold({ ...hold, persons: [{ name: 'bob@example.com' }], untilMs }, 'test')
    ground.bench.clock.advance(400 * day)
    expect((await ground.retention.run('test')).purged).toEqual(['three', 'two'])
    await ground.retention.release({ ids: [], caseName: 'C-1', who: 'legal', why: 'settled' }, 'test')
    expect((await ground.retention.run('test')).purged).toEqual(['one'])
    ground.bench.clock.advance(100 * day)
    expect((await ground.retention.run('test')).purged).toEqual(['four'])
    expect(ground.verify().misplaced).toEqual([])
  })

  test('a hold of a person is told to the storage for each recording, and lifted from those that no other covers', async () => {
    const ground = await Ground.open()
    await ground.record(['one', 'two'])
    const [person] = await ground.retention.hold({ ...hold, persons: [{ issuer, subject: 'alice' }] }, 'test')
    await ground.retention.hold({ ...hold, sessions: ['two'] }, 'test')
    await ground.retention.release(
      { ids: [person?.id ?? ''], caseName: undefined, who: 'l', why: 'w' },
      'test',
    )
    const marks = ground.heldThere.map(mark => mark.replace(/\d{4}\/\d\d\/\d\d\//, ''))
    expect(marks).toEqual(['+one.sallyport', '+two.sallyport', '+two.sallyport', '-one.sallyport'])
  })

  test('holds on nobody, on strangers, without an end in the future and unknown ones to release are refused', async () => {
    const ground = await Ground.open()
    await ground.record(['one'], 'ann', { principalName: 'Sam' })
    await ground.record(['two'], 'bea', { principalName: 'Sam' })
    const refusal = async (wish: object): Promise<string> =>
      await ground.retention.hold({ ...hold, ...wish }, 'test').then(
        () => 'placed',
        (cause: unknown) => (cause instanceof Fault ? cause.userText : String(cause)),
      )
    expect(await refusal({})).toContain('Say which session or person')
    expect(await refusal({ sessions: ['one', 'nothing'] })).toContain('There is no session nothing')
    expect(await refusal({ persons: [{ name: 'Zoe' }] })).toContain('No session is of a person named "Zoe"')
    expect(await refusal({ persons: [{ name: 'Sam' }] })).toMatch(
      /Several persons are named "Sam": ann of .*; bea of/,
    )
    expect(await refusal({ sessions: ['one'], untilMs: ground.bench.clock.nowMs() })).toContain(
      'in the future',
    )
    expect(await ground.retention.holds()).toEqual([])
    await expect(
      ground.retention.release({ ids: ['h0'], caseName: undefined, who: 'l', why: 'w' }, 'test'),
    ).rejects.toThrow('no such hold')
  })

  test('a session that has just ended is not: its proofs are still being written', async () => {
    const ground = await Ground.open()
    ground.rules = [{ maxMs: 1000, line: 1 }]
    await ground.record(['one'])
    ground.bench.clock.advance(59_000)
    expect((await ground.retention.run('test')).purgedCount).toBe(0)
    ground.bench.clock.advance(1000)
    expect((await ground.retention.run('test')).purgedCount).toBe(1)
  })

  test('what the storage has locked is not decided on: nothing says that it is gone', async () => {
    const ground = await Ground.open()
    await ground.record(['one', 'two'])
    const locked = new Fault('RECORDING_LOCKED', 'The bucket keeps it until 2030-01-01.')
    const mayRemove = async (recording: string): Promise<void> => {
      if (recording.includes('one')) throw locked
    }
    ground.storage = { ...ground.storage, mayRemove }
    ground.bench.clock.advance(366 * day)
    const refused = [{ session: 'one', problem: 'The bucket keeps it until 2030-01-01.' }]
    expect(await ground.retention.run('test')).toMatchObject({ purged: ['two'], pending: [], refused })
    const wish = { why: 'asked', by: 'test', dryRun: false }
    const forgotten = await ground.retention.forget({ issuer, subject: 'alice' }, wish)
    expect(forgotten).toMatchObject({ removed: 0, remains: [{ session: 'one', why: locked.userText }] })
    expect(ground.verify()).toMatchObject({ misplaced: [], removed: [{ session: 'two' }] })
  })

  test('what the storage refuses in the middle is still there, is told with its reason, and goes once it may', async () => {
    const ground = await Ground.open()
    await ground.record(['one', 'two'])
    const { remove } = ground.storage
    const locked = new Fault('RECORDING_LOCKED', 'The bucket holds this recording until 2030-01-01.')
    ground.storage = {
      ...ground.storage,
      remove: async recording =>
        await (recording.includes('one') ? Promise.reject(locked) : remove(recording)),
    }
    ground.bench.clock.advance(366 * day)
    expect(await ground.retention.run('test')).toMatchObject({
      purged: ['two'],
      pending: [{ session: 'one', problem: 'The bucket holds this recording until 2030-01-01.' }],
    })
    expect((await ground.retention.plan()).pending).toHaveLength(1)
    expect(ground.files()).toHaveLength(2)
    expect(ground.verify().removed.map(one => one.isStillThere)).toEqual([true, false])
    ground.storage = localStore(ground.bench.folder)
    expect((await ground.retention.run('test')).purged).toEqual(['one'])
    expect(ground.files()).toEqual([])
  })
})

test('what was learned of a recording goes before it, or it stays and says why', async () => {
  const ground = await Ground.open()
  await ground.record(['one'])
  ground.bench.clock.advance(400 * day)
  ground.mayForget = false
  expect((await ground.retention.run('test')).purged).toEqual([])
  expect(ground.files()).toHaveLength(2)
  expect((await ground.store.purges.get('one'))?.problem).toBe('the index cannot be written')
  ground.mayForget = true
  await ground.retention.run('test')
  expect(ground.files()).toEqual([])
  expect(ground.forgotten).toEqual(['one'])
})

test('what is due goes with all that lies beside it, and verify tells it from what is missing', async () => {
  const ground = await Ground.open()
  await ground.record(['old', 'stolen'])
  ground.bench.clock.advance(200 * day)
  await ground.record(['new'])
  const stolen = ground.files().find(name => name.includes('stolen.sallyport')) ?? ''
  ground.bench.clock.advance(200 * day)
  const before = await ground.retention.plan()
  expect(before).toMatchObject({
    dueCount: 2,
    keptCount: 1,
    due: [
      { session: 'old', why: 'line 9: all, max 365d' },
      { session: 'stolen', why: 'line 9: all, max 365d' },
    ],
    rules: [{ rule: 'line 9: all, max 365d', sessions: 3 }],
  })
  await ground.retention.hold({ ...hold, sessions: ['stolen'] }, 'test')
  expect(await ground.retention.run('test')).toMatchObject({ purged: ['old'], pending: [] })
  expect(
    ground
      .files()
      .map(name => name.replace(/.*\//, ''))
      .toSorted(),
  ).toEqual(['new.keyframes', 'new.sallyport', 'stolen.keyframes', 'stolen.sallyport'])
  expect(ground.verify()).toMatchObject({
    misplaced: [],
    removed: [
      { session: 'old', isStillThere: false, decision: { cause: 'policy', rule: 'line 9: all, max 365d' } },
    ],
  })
  rmSync(join(ground.bench.folder, stolen))
  expect(ground.verify().misplaced).toMatchObject([
    { file: 'stolen.sallyport', reason: expect.stringContaining('its recording is missing') },
  ])
})

describe('on its timer', () => {
  test('the gateway removes what is due, again and again, and tells the storage of sessions that a hold covers since', async () => {
    const ground = await Ground.open()
    await ground.record(['one'])
    await ground.retention.hold({ ...hold, persons: [{ issuer, subject: 'alice' }] }, 'test')
    await ground.record(['two'])
    await ground.record(['three'], 'bob')
    ground.heldThere.length = 0
    ground.retention.start()
    await expect.poll(() => ground.heldThere.map(mark => mark.slice(-13)).join()).toContain('two.sallyport')
    expect(ground.files()).toHaveLength(6)
    ground.bench.clock.advance(366 * day)
    await expect.poll(() => ground.files().filter(name => name.includes('three'))).toEqual([])
    expect(ground.files()).toHaveLength(4)
  })

  test('nothing is removed by a clock that was set far ahead', async () => {
    const ground = await Ground.open()
    await ground.record(['one'])
    ground.bench.clock.ms += 366 * day // the clock that only runs stands still
    ground.retention.start()
    await expect.poll(() => ground.complaints.join()).toContain('the clock was set far ahead')
    expect(ground.files()).toHaveLength(2)
    expect((await ground.retention.run('somebody who means it')).purged).toEqual(['one'])
  })
})

test('a tombstone whose decision the audit log does not have explains nothing', async () => {
  const ground = await Ground.open()
  await ground.record(['one'])
  ground.sessionLog.add({ kind: 'tombstone', session: 'one', sha256: '00'.repeat(32) })
  await ground.sessionLog.checkpoint()
  for (const name of ground.files()) rmSync(join(ground.bench.folder, name))
  expect(ground.verify().misplaced).toMatchObject([
    { file: 'one.sallyport', reason: expect.stringContaining('the audit log has no such decision') },
  ])
})

test('a tombstone whose decision may be in files that were moved away is told, and its rule is not known', async () => {
  const ground = await Ground.open()
  await ground.record(['one'])
  ground.bench.clock.advance(366 * day)
  await ground.retention.run('test')
  const [first = ''] = readdirSync(ground.at('audit'))
  renameSync(join(ground.at('audit'), first), join(ground.at('audit'), 'audit-000000000002.ndjson'))
  const { leaves } = verifyTree(ground.at('log'), { keys: [signer.publicKeyPem] })
  expect(decisionsIn(ground.at('audit')).isWhole).toBe(false)
  const places = verifyPlaces(leaves, [], { byHash: new Map(), isWhole: false })
  expect(places).toMatchObject({ misplaced: [], removed: [{ session: 'one', decision: undefined }] })
})

test('a decision about one session explains no tombstone of another', async () => {
  const ground = await Ground.open()
  await ground.record(['one', 'two'])
  ground.bench.clock.advance(366 * day)
  await ground.retention.hold({ ...hold, sessions: ['two'] }, 'test')
  await ground.retention.run('test')
  const [sha256] = decisionsIn(ground.at('audit')).byHash.keys()
  ground.sessionLog.add({ kind: 'tombstone', session: 'two', sha256: sha256 ?? '' })
  await ground.sessionLog.checkpoint()
  expect(ground.verify().misplaced).toHaveLength(1)
})

test('a purged session keeps its row, and pages learn when it went and by which rule', async () => {
  const ground = await Ground.open()
  await ground.record(['one'])
  const view = async () =>
    (await ground.retention.viewsOf([(await ground.store.sessions.get('one')) ?? never()]))[0]
  expect(await view()).toEqual({
    purgeAtMs: ground.bench.clock.nowMs() + 365 * day,
    rule: 'line 9: all, max 365d',
    hold: undefined,
    purged: undefined,
    isBeingPurged: false,
  })
  ground.bench.clock.advance(365 * day)
  await ground.retention.run('test')
  const atMs = ground.bench.clock.nowMs()
  expect((await view())?.purged).toEqual({ atMs, rule: 'line 9: all, max 365d', cause: 'policy' })
})

describe('a person who asks to be forgotten', () => {
  const wish = { why: 'request of 3 March', by: 'test', dryRun: false }

  test('loses what may go, and is told what remains and why', async () => {
    const ground = await Ground.open()
    ground.rules = [year, { targets: { labels: { env: 'prod' } }, minMs: 30 * day, line: 10 }]
    await ground.record(['free'])
    await ground.record(['held'])
    await ground.record(['others'], 'bob')
    ground.bench.clock.advance(31 * day)
    await ground.record(['young'])
    ground.bench.clock.advance(day)
    const [held] = await ground.retention.hold({ ...hold, sessions: ['held'] }, 'test')
    const dry = await ground.retention.forget({ name: 'alice@example.com' }, { ...wish, dryRun: true })
    expect([dry.removed, ground.files().length]).toEqual([1, 8])
    expect(await ground.retention.forget({ name: 'alice@example.com' }, wish)).toMatchObject({
      removed: 1,
      rowsCleared: 1,
      remains: [
        {
          session: 'young',
          why: 'kept at least that long by line 10: all, min 30d'.replace('all', 'env=prod'),
          untilMs: ground.bench.clock.nowMs() + 29 * day,
        },
        { session: 'held', why: `held by ${held?.id}` },
      ],
      notes: [expect.stringContaining('audit log'), expect.anything(), expect.anything()],
    })
    expect(await ground.store.sessions.get('free')).toMatchObject({
      subject: '',
      principalName: '(forgotten)',
      sourceAddress: '',
      endReason: undefined,
      target: 'web1',
    })
    expect(await ground.store.sessions.get('young')).toMatchObject({ subject: 'alice' })
    expect(ground.files().filter(name => name.includes('others'))).toHaveLength(2)
    expect(ground.verify()).toMatchObject({
      misplaced: [],
      removed: [{ session: 'free', decision: { cause: 'request', rule: 'request of 3 March' } }],
    })
  })

  test('keeps the name in rows while a hold is on them, and a hold on what is gone is refused', async () => {
    const ground = await Ground.open()
    await ground.record(['one'])
    ground.bench.clock.advance(366 * day)
    await ground.retention.run('test')
    await ground.retention.hold({ ...hold, persons: [{ issuer, subject: 'alice' }] }, 'test')
    const done = await ground.retention.forget({ issuer, subject: 'alice' }, wish)
    expect(done).toMatchObject({ removed: 0, rowsCleared: 0 })
    expect(await ground.store.sessions.get('one')).toMatchObject({ subject: 'alice' })
    await expect(ground.retention.hold({ ...hold, sessions: ['one'] }, 'test')).rejects.toThrow('too late')
  })

  test('loses the name in rows of what was purged before', async () => {
    const ground = await Ground.open()
    await ground.record(['one'])
    ground.bench.clock.advance(366 * day)
    await ground.retention.run('test')
    const done = await ground.retention.forget({ issuer, subject: 'alice' }, wish)
    expect(done).toMatchObject({ removed: 0, rowsCleared: 1, remains: [] })
  })
})

describe('killed in between', () => {
  const steps: readonly PurgeStep[] = ['decided', 'told', 'entombed', 'signed', 'removed']

  /** What lies on the disk when the process dies at a step, opened by the next one. */
  async function diedAt(
    step: PurgeStep,
    hurry: (ground: Ground) => Promise<void> = async () => {},
  ): Promise<Ground> {
    const bench = newBench()
    const to = newFolder()
    const ground = await Ground.open(bench, here => {
      if (here !== step || existsSync(join(to, 'log'))) return
      for (const name of ['log', 'audit', 'state', 'recordings'])
        cpSync(name === 'recordings' ? bench.folder : ground.at(name), join(to, name), { recursive: true })
    })
    await ground.record(['one', 'two'])
    await hurry(ground)
    bench.clock.advance(366 * day)
    await ground.retention.run('test')
    return await Ground.open({ ...bench, folder: join(to, 'recordings') })
  }

  test.each(steps)(
    'after the step "%s", the next start finishes it, and nothing looks missing meanwhile',
    async step => {
      const next = await diedAt(step)
      expect(next.verify().misplaced).toEqual([])
      next.retention.start()
      await next.retention.plan() // comes after what start began
      expect(next.files()).toEqual([])
      expect(next.verify()).toMatchObject({
        misplaced: [],
        removed: [{ isStillThere: false }, { isStillThere: false }],
      })
      expect((await next.retention.run('test')).purgedCount).toBe(0)
      expect((await next.retention.plan()).pending).toEqual([])
    },
  )

  test('before the tombstone, a longer promise takes the decision back', async () => {
    const next = await diedAt('told')
    next.rules = [{ ...year, minMs: 400 * day, maxMs: 400 * day }]
    expect(await next.retention.run('test')).toMatchObject({ purgedCount: 0, pending: [{}, {}] })
    expect((await next.retention.plan()).pending).toEqual([])
    expect(next.files()).toHaveLength(4)
    expect(next.verify()).toMatchObject({ misplaced: [], removed: [] })
    next.bench.clock.advance(40 * day)
    expect((await next.retention.run('test')).purgedCount).toBe(2)
    expect(next.verify().misplaced).toEqual([])
  })

  test('after the tombstone, a longer promise still keeps what is there', async () => {
    const next = await diedAt('signed')
    next.rules = [{ ...year, minMs: 400 * day, maxMs: 400 * day }]
    expect(await next.retention.run('test')).toMatchObject({ purgedCount: 0, pending: [{}, {}] })
    expect(next.files()).toHaveLength(4)
    expect(next.verify()).toMatchObject({
      misplaced: [],
      removed: [{ isStillThere: true }, { isStillThere: true }],
    })
    next.bench.clock.advance(40 * day)
    expect((await next.retention.run('test')).purgedCount).toBe(2)
  })
})

function never(): never {
  throw new Error('it should be there')
}
