/** What receivers ask for: refused unless the configuration allows it, done even where the answer came before the session was there. */
import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import { beforeEach, expect, test } from 'vitest'
import type { AuditEvent } from '../../src/audit/audit-log.ts'
import { Asks } from '../../src/cli/gateway/asks.ts'
import type { Config } from '../../src/config/config.ts'
import type { AskWord } from '../../src/config/notify-schema.ts'
import { Fault } from '../../src/errors.ts'
import type { ReviewWishRow, SessionRow } from '../../src/model.ts'
import { maxAsksPerMinute } from '../../src/policy/webhook-ask.ts'
import { FakeClock } from '../support/fake-clock.ts'

let audited: AuditEvent[]
let done: string[]
let wished: ReviewWishRow[]
let rows: Map<string, Partial<SessionRow>>
let open: Set<string>
let auditFails: boolean
beforeEach(() => {
  audited = []
  done = []
  wished = []
  rows = new Map()
  open = new Set()
  auditFails = false
})

/** A webhook `soc` that may ask for these, and a file that may ask for nothing. */
function asksOf(...may: readonly AskWord[]): Asks {
  const notify = [
    { kind: 'webhook', name: 'soc', may },
    { kind: 'file', name: 'lines' },
  ]
  const asks = new Asks({
    config: () => ({ notify }) as unknown as Config,
    audit: {
      append: event => {
        if (auditFails) throw new Fault('AUDIT_APPEND_FAILED', 'The audit log cannot be written.')
        audited.push(event)
      },
    },
    clock: new FakeClock(),
    log: pino({ level: 'silent' }),
  })
  asks.actOn({
    live: {
      end: (id, reason) => open.has(id) && done.push(`end ${id}: ${reason}`) > 0,
      hold: async (id, { kind, userText }) => {
        if (!open.has(id)) return 'not-open'
        done.push(`${kind} ${id}: ${userText}`)
        return 'held'
      },
    },
    store: {
      sessions: { get: async id => rows.get(id) as SessionRow | undefined },
      reviews: { wishReview: async row => wished.push(row) > 0 },
    },
  })
  return asks
}

const told = (): readonly string[] => audited.map(({ kind, code }) => `${kind} ${String(code ?? '')}`.trim())
const ask = (word: AskWord, session = 's1') => ({ ask: word, session, reason: 'case 9' }) as const

test.each(['end', 'pause', 'require-review'] as const)(
  'a receiver that may not ask for %s is refused, and nothing happens',
  async word => {
    const others = (['end', 'pause', 'require-review'] as const).filter(one => one !== word)
    rows.set('s1', { state: 'open' })
    open.add('s1')
    const asks = asksOf(...others)
    await asks.decide('soc', ask(word), 7)
    await asks.decide('lines', ask(word), 8)
    await asks.decide('nobody', ask(word), 9)
    expect(told()).toEqual(Array(3).fill('ask-refused not-allowed'))
    expect([done, wished]).toEqual([[], []])
  },
)

test('nothing is done that cannot be written down', async () => {
  rows.set('s1', { state: 'open' })
  open.add('s1')
  auditFails = true
  await asksOf('end', 'require-review').decide('soc', ask('end'), 1)
  expect([done, wished]).toEqual([[], []])
})

test('a session that is over is neither ended nor paused, and one that nobody knows is not reviewed', async () => {
  rows.set('s1', { state: 'ended' })
  const asks = asksOf('end', 'pause')
  await asks.decide('soc', ask('end'), 1)
  await asks.decide('soc', ask('pause'), 2)
  expect(told()).toEqual(['ask-followed', 'ask-refused not-open', 'ask-followed', 'ask-refused not-open'])
})

test('a session that nobody knows is looked for until it would be there, and then refused', async () => {
  await asksOf('require-review').decide('soc', ask('require-review'), 1)
  expect(told()).toEqual(['ask-followed', 'ask-refused not-known'])
}, 10_000)

test('an answer that comes before its session can be acted on is followed once it can', async () => {
  const deciding = asksOf('end', 'require-review').decide('soc', ask('end'), 1)
  await sleep(60)
  rows.set('s1', { state: 'open' })
  await sleep(60)
  expect(done).toEqual([])
  open.add('s1')
  await deciding
  expect(done).toEqual(['end s1: the receiver soc asked for it'])
  expect(told()).toEqual(['ask-followed'])
})

test('a pause tells its user nothing of the receiver', async () => {
  rows.set('s1', { state: 'open' })
  open.add('s1')
  await asksOf('pause').decide('soc', ask('pause'), 1)
  expect(done).toEqual(['pause s1: It was paused until a reviewer lets it go on.'])
})

test('a review is asked for of sessions that are over, too, in the name of the receiver', async () => {
  rows.set('s1', { state: 'ended' })
  await asksOf('require-review').decide('soc', ask('require-review'), 1)
  expect(wished).toMatchObject([{ session: 's1', by: 'soc', reason: 'case 9' }])
  expect(audited).toEqual([
    {
      kind: 'ask-followed',
      sink: 'soc',
      ask: 'require-review',
      session: 's1',
      reason: 'case 9',
      line: 1,
    },
  ])
})

test('who asks too often is refused, and the audit log is not filled with it', async () => {
  rows.set('s1', { state: 'open' })
  open.add('s1')
  const asks = asksOf('end')
  for (let n = 0; n < 3 * maxAsksPerMinute; n++) await asks.decide('soc', ask('end'), n)
  expect(done).toHaveLength(maxAsksPerMinute)
  expect(told().filter(text => text === 'ask-refused too-many')).toHaveLength(1)
})
