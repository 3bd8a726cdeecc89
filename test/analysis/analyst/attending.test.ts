/** What waits to be forgotten does not wait for a session. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Analyst } from '../../../src/analysis/analyst/analyst.ts'
import type { WatchedSession } from '../../../src/analysis/analyst/session-observer.ts'
import { FindingObserver, type ObserverOptions } from '../../../src/analysis/findings/observer.ts'
import { wishOf, wordsOf } from '../../../src/analysis/findings/profile-keeper.ts'
import { newFolder, quiet } from '../../recorder/support.ts'
import { policyWith } from '../../policy/people.ts'

const { analysis } = policyWith(
  'ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }] }',
)
const issuer = 'https://login.example.com'
const ada = `${issuer}\nada`
const bob = `${issuer}\nbob`
let observing: ObserverOptions
let analyst: Analyst

beforeEach(() => {
  observing = { analysis, folder: newFolder() }
  analyst = new Analyst({
    dataFolder: newFolder(),
    recordingsFolder: newFolder(),
    observing,
    sessions: { list: async () => [], retained: async () => [] },
    fetch: () => Promise.reject(new Error('there are no recordings')),
    onBatch: () => {},
    log: quiet,
  })
})

afterEach(() => analyst.stop())

/** Learns of one session of each, and keeps it. */
function learn(...sessions: readonly { readonly subject: string; readonly openedAtMs: number }[]): void {
  const observer = new FindingObserver(observing, [])
  for (const { subject, openedAtMs } of sessions) {
    const session = sessionOf(subject, openedAtMs)
    observer.opened(session, false)
    observer.sealed(session)
  }
  wishOf(observing.folder, { do: 'teach', session: 'none' }, 0) // attending writes
  observer.attend(0)
}

function sessionOf(subject: string, openedAtMs: number): WatchedSession {
  const place = { protocol: 'ssh', target: 'web1', login: 'root', role: 'ops' } as const
  const from = { sourceAddress: '10.1.1.1', openedAtMs, recording: 'x', labels: {} }
  return { id: `of-${subject}`, issuer, subject, principal: subject, ...place, ...from }
}

async function untilForgotten(person: string): Promise<void> {
  while (wordsOf(observing.folder, person) !== undefined)
    await new Promise(resolve => setTimeout(resolve, 50))
}

test('who asks to be forgotten is forgotten, though no session ends', async () => {
  learn({ subject: 'ada', openedAtMs: Date.now() }, { subject: 'bob', openedAtMs: Date.now() })
  analyst.start()
  wishOf(observing.folder, { do: 'forget', person: ada }, Date.now())
  await untilForgotten(ada)
  expect(wordsOf(observing.folder, bob)).toBeDefined()
})

test('who was not seen for as long as profiles are kept is forgotten, though no session ends', async () => {
  const openedAtMs = Date.now() - analysis.retention.profilesMs - 60_000
  learn({ subject: 'bob', openedAtMs: Date.now() }, { subject: 'ada', openedAtMs })
  expect(wordsOf(observing.folder, ada)).toBeDefined()
  analyst.start()
  await untilForgotten(ada)
  expect(wordsOf(observing.folder, bob)).toBeDefined()
})
