import { afterEach, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { LiveSessions } from '../../src/session/live.ts'
import type { Ending, Session } from '../../src/session/session.ts'

let live: LiveSessions | undefined
afterEach(() => live?.close('test over'))

/** A session that is well within its limits and notes how it ended. */
function quietSession(id: string) {
  const endings: Ending[] = []
  const session = {
    id,
    expired: false,
    idleMs: 0,
    grant: { fields: { idleTimeoutMs: 60_000 } },
    get ended() {
      return endings.length > 0
    },
    end: (ending: Ending) => void endings.push(ending),
    close: async () => {},
  }
  return { session: session as unknown as Session, endings }
}

test('when the audit log cannot be written any more, sessions end and their users are told', () => {
  let failure: Fault | undefined
  live = new LiveSessions(() => failure)
  const { session, endings } = quietSession('a')
  live.add(session, 'ada')
  live.checkLimits()
  expect(endings).toEqual([])
  failure = new Fault('AUDIT_APPEND_FAILED', 'The audit log cannot be written.', { log: 'ENOSPC' })
  live.checkLimits()
  expect(endings).toEqual([{ reason: 'ENOSPC', userText: 'The audit log cannot be written.' }])
})

test('a session that is not open cannot be ended', () => {
  live = new LiveSessions()
  expect(live.end('nobody', 'because')).toBe(false)
})
