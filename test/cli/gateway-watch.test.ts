/** What the gateway notices itself: over a real store, desk and audit log. */
import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { openAuditLog } from '../../src/audit/audit-log.ts'
import { openSessionLog } from '../../src/audit/tree/session-log.ts'
import { GatewayWatch } from '../../src/cli/gateway/gateway-watch.ts'
import { problemsOfLogs, watchLogs } from '../../src/cli/gateway/log-check.ts'
import type { LogProblem } from '../../src/cli/gateway/log-check-worker.ts'
import type { FindingRow, SessionRow } from '../../src/model.ts'
import { ann, bob, closeDesks, deskWith, type DeskWorld } from '../analysis/findings/desk-world.ts'
import { NOON, sessionOf } from '../policy/people.ts'
import { newSigner } from '../recorder/support.ts'
import { newFolder } from '../support/scratch.ts'

afterEach(closeDesks)
const log = pino({ level: 'silent' })
const emptyFolder = (): string => newFolder('watch')

type Watched = DeskWorld & {
  readonly watch: GatewayWatch
  readonly auditFolder: string
  readonly start: () => Promise<void>
  readonly open: (row: Partial<SessionRow> & { id: string }) => Promise<void>
  readonly found: (session: string) => Promise<readonly FindingRow[]>
}

async function watched(auditFolder = emptyFolder(), world?: DeskWorld): Promise<Watched> {
  const { clock, config, store, desk, ...rest } = world ?? (await deskWith())
  const watch = new GatewayWatch({ config: () => config, auditFolder, clock, log })
  const announced = watch.announced(store)
  const taken = new Set<Promise<void>>()
  const take: typeof desk.take = draft => {
    const done = desk.take(draft)
    taken.add(done)
    return done
  }
  return {
    ...rest,
    clock,
    config,
    store: announced,
    desk,
    watch,
    auditFolder,
    start: () => watch.start({ take }, announced),
    open: row => announced.sessions.insert(sessionOf({ openedAtMs: clock.nowMs(), ...row })),
    found: async session => {
      await Promise.all(taken)
      return await store.findings.ofSession(session)
    },
  }
}

const groups = (rows: readonly FindingRow[]): string[] => rows.map(({ group }) => group)

describe('emergency access', () => {
  test('every session under it makes a finding of high severity, whoever carries it; others make none', async () => {
    const { start, open, found } = await watched()
    await start()
    await open({ id: 'e1', breakGlass: true })
    await open({ id: 'e2' })
    const [finding] = await found('e1')
    expect(finding).toMatchObject({ kind: 'rule', severity: 'high', group: 'B-05', place: 'queue' })
    expect(finding?.body).toContain('to be reviewed within a day')
    expect(finding?.body).toContain('T1078')
    expect(await found('e2')).toEqual([])
  })

  test('one whose gateway died before it was noted is found by the next, and not twice', async () => {
    const world = await deskWith()
    await world.store.sessions.insert(sessionOf({ id: 'e1', openedAtMs: NOON, breakGlass: true }))
    for (let gateway = 0; gateway < 2; gateway++) {
      const { start, found } = await watched(emptyFolder(), world)
      await start()
      expect(groups(await found('e1'))).toEqual(['B-05'])
    }
    expect(world.audited.filter(({ kind }) => kind === 'finding-noticed')).toHaveLength(1)
  })
})

describe('refused, then let in', () => {
  const refusal = {
    kind: 'refusal',
    issuer: 'https://login.example.com',
    subject: 'bob-2',
    sourceAddress: '10.1.1.1',
    target: 'web1',
    login: 'root',
    code: 'no-role',
  } as const

  test('is a finding that tells of the refusals, also when the gateway restarted in between', async () => {
    const folder = join(emptyFolder(), 'audit')
    const world = await deskWith()
    const audit = openAuditLog({ folder, signer: newSigner(), clock: world.clock, log })
    const first = await watched(folder, world)
    first.watch.observe(audit).append(refusal)
    await audit.close()
    world.clock.advance(600_000)
    const next = await watched(folder, world)
    await next.start()
    await next.open({ id: 'r1' })
    const [finding] = await next.found('r1')
    expect(finding).toMatchObject({ group: 'B-06', severity: 'medium' })
    expect(finding?.body).toContain(
      'Refused as root 10 minutes before: no role of theirs was for this target.',
    )
  })

  test('is none for another person, and none where the target itself refused', async () => {
    const { watch, start, open, found, auditFolder, clock } = await watched(join(emptyFolder(), 'audit'))
    const audit = watch.observe(openAuditLog({ folder: auditFolder, signer: newSigner(), clock, log }))
    await start()
    audit.append({ ...refusal, subject: 'eve-5' })
    audit.append({ ...refusal, session: 's1', code: 'upstream' })
    await open({ id: 'r1' })
    expect(await found('r1')).toEqual([])
    await audit.close()
  })
})

describe('recordings and logs that are not whole', () => {
  const checkOf = (session: string, problem: string | undefined) => ({
    session,
    keysNumber: 1,
    checkedAtMs: NOON,
    fileState: '1 10 0 0',
    bytes: 10,
    sha256: '00',
    isWhole: problem === undefined,
    isSealed: true,
    isEncrypted: false,
    problem,
  })

  test('a check that fails is a finding about the recording; the same again is no news, and a good one is none', async () => {
    const { store, start, open, found, audited } = await watched()
    await start()
    await open({ id: 'c1' })
    await open({ id: 'c2' })
    for (let time = 0; time < 2; time++)
      await store.reviews.noteCheck(checkOf('c1', 'record 3: the hash does not match'))
    await store.reviews.noteCheck(checkOf('c2', undefined))
    const [finding] = await found('c1')
    expect(finding).toMatchObject({ kind: 'integrity', severity: 'high', group: 'integrity-verify' })
    expect(finding?.body).toContain('not about what somebody did')
    expect(finding?.body).toContain('record 3: the hash does not match')
    expect(audited.filter(({ kind }) => kind === 'finding-noticed')).toHaveLength(1)
    expect(await found('c2')).toEqual([])
  })

  test('what recovery lost and what the analysis could not read are findings, also from before there is a desk', async () => {
    const { watch, start, open, found } = await watched()
    await open({ id: 'c1' })
    watch.recovered({ session: 'c1', notes: [] })
    watch.recovered({ session: 'c1', notes: ['Events from 5 to 7 are lost.'] })
    watch.unread('c1', 'The recording is damaged in 2 places; the rest was read.')
    await start()
    const rows = await found('c1')
    expect(groups(rows).toSorted()).toEqual(['integrity-recovered', 'integrity-unread'])
    expect(rows.every(({ kind }) => kind === 'integrity')).toBe(true)
  })

  test('a log that does not check is one finding of no session, which every reviewer sees', async () => {
    const { watch, start, found, desk, audited } = await watched()
    await start()
    const problem: LogProblem = {
      log: 'audit log',
      file: '/x/audit-000000000101.ndjson',
      record: 0,
      offset: 0,
      reason: 'one is missing',
    }
    watch.notWhole(problem)
    watch.notWhole(problem)
    watch.notWhole({ ...problem, record: 5 })
    expect(await found('')).toHaveLength(2)
    const shown = (await desk.list({ kind: ['integrity'] }, ann)).items
    expect(shown.map(({ principal, session }) => [principal, session])).toEqual(
      shown.map(() => ['the gateway', '']),
    )
    expect(shown[0]?.sentence).toBe('The audit log of this gateway does not check.')
    expect((await desk.list({ kind: ['integrity'] }, bob)).items).toHaveLength(2)
    const told = audited.filter(({ kind }) => kind === 'finding-noticed')
    expect(told.map(event => event['session'])).toEqual([undefined, undefined])
    const [{ id } = { id: '' }] = shown
    expect(await desk.close(id, { reason: 'true-positive', rationale: 'the disk' }, ann)).toMatchObject({
      ok: true,
      value: { context: [] },
    })
  })
})

describe('the check of the logs', () => {
  const timing = { firstMs: 0, againMs: 1 }

  async function logs() {
    const folder = emptyFolder()
    const signer = newSigner()
    const clock = { nowMs: () => NOON, monotonicUs: () => 0 }
    const sessionLogFolder = join(folder, 'log')
    const auditFolder = join(folder, 'audit')
    mkdirSync(auditFolder)
    const sessionLog = openSessionLog({ folder: sessionLogFolder, origin: 'x', signer, clock, log })
    const audit = openAuditLog({ folder: auditFolder, signer, clock, log, segmentBytes: 2000 })
    for (let at = 0; at < 60; at++) audit.append({ kind: 'sign-in', subject: `person ${at}` })
    await audit.close()
    await sessionLog.checkpoint()
    await sessionLog.close()
    return { auditFolder, sessionLogFolder, keys: [signer.publicKeyPem], revoked: [] }
  }

  async function problemsOf(wish: Awaited<ReturnType<typeof logs>>, count: number) {
    const found: LogProblem[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = watchLogs(
      () => wish,
      problem => {
        found.push(problem)
        if (found.length === count) resolve()
      },
      log,
      timing,
    )
    await promise
    stop()
    return found
  }

  test('says nothing of logs that are whole', async () => {
    const wish = await logs()
    expect(readdirSync(wish.auditFolder).length).toBeGreaterThan(3)
    expect(await problemsOfLogs(() => wish, 1)).toEqual([])
  })

  test('finds the gap where a file of the audit log was taken away, and a log of sessions without its checkpoint', async () => {
    const wish = await logs()
    const [, second = ''] = readdirSync(wish.auditFolder).toSorted()
    renameSync(join(wish.auditFolder, second), join(emptyFolder(), second))
    renameSync(join(wish.sessionLogFolder, 'checkpoint'), join(emptyFolder(), 'checkpoint'))
    const found = await problemsOf(wish, 2)
    expect(found.map(one => one.log)).toEqual(['log of sessions', 'audit log'])
    expect(found[1]?.reason).toContain('one is missing or renamed')
  })
})
