/** Whatever becomes of a reading, observers keep nothing of a session that was not read to its end. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Judge } from '../../../src/analysis/analyst/judge.ts'
import { ReadingRoom } from '../../../src/analysis/analyst/reading-room.ts'
import type { SessionWindows, WatchedSession } from '../../../src/analysis/analyst/session-observer.ts'
import { IndexWriter } from '../../../src/analysis/index/index-writer.ts'
import { loadRules } from '../../../src/analysis/rules/load.ts'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'
import type { SessionRow } from '../../../src/model.ts'
import { newFolder } from '../../recorder/support.ts'
import { exec, Recordings, shell } from './recordings.ts'

let recordings: Recordings
let grammar: Grammar
let writer: IndexWriter
let heard: string[]
let troubles: string[]

beforeEach(() => {
  recordings = new Recordings()
  grammar = new Grammar()
  writer = new IndexWriter(newFolder())
  heard = []
  troubles = []
})

afterEach(async () => {
  writer.close()
  await grammar.close()
  await recordings.recorder.close()
})

/** `take` is what rules over several entries do with each. */
function newRoom(take: SessionWindows['take']): ReadingRoom {
  const note = (what: string): [] => {
    heard.push(what)
    return []
  }
  return new ReadingRoom({
    writer,
    judge: new Judge(loadRules({}).catalogue, grammar),
    windows: () => ({ take }),
    observers: [
      {
        opened: () => note('opened'),
        took: () => [],
        sealed: () => note('sealed'),
        dropped: () => void note('dropped'),
      },
    ],
    recordingsFolder: recordings.bench.folder,
    maxTerminals: 4,
    nowMs: Date.now,
    fetch: () => Promise.reject(new Error('it is in its folder')),
    post: async () => {},
    onTrouble: () => {},
    onSessionTrouble: (_session, cause) => void troubles.push(String(cause)),
  })
}

function watched({ principalName, ...row }: SessionRow): WatchedSession {
  return { ...row, principal: principalName, labels: {} }
}

/** A session of several steps, sealed. */
async function recorded(isOver: boolean): Promise<WatchedSession> {
  const recording = await recordings.open('s1')
  const events = Array.from({ length: 400 }, (_, at) => exec(`make part-${at}`, at + 1)).flat()
  await recordings.record(recording, [...shell(), ...events])
  await recording.seal('done')
  const session = watched(recordings.rows[0]!)
  writer.know([{ session, isOver }])
  return session
}

async function untilIdle(room: ReadingRoom): Promise<void> {
  while (await room.turn());
}

function fail(): never {
  throw new Error('a rule failed')
}

test.each([false, true])('a reading that failed is dropped; the session was over: %s', async isOver => {
  const room = newRoom(fail)
  room.add(await recorded(isOver), isOver)
  await untilIdle(room)
  expect(heard).toEqual(['opened', 'dropped'])
  expect(troubles).toEqual([expect.stringContaining('a rule failed')])
})

test('a session that is forgotten while it is read is dropped', async () => {
  const room = newRoom(() => {
    room.forget('s1')
    return []
  })
  room.add(await recorded(true), true)
  await untilIdle(room)
  expect(heard).toEqual(['opened', 'dropped'])
})

test('what was read to its end is sealed, and not dropped', async () => {
  const room = newRoom(() => [])
  room.add(await recorded(true), true)
  await untilIdle(room)
  expect(heard).toEqual(['opened', 'sealed'])
})
