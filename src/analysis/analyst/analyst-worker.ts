/** The analyst's thread: reads recordings as they grow, and keeps the index. Nothing waits for it. */
import { statfsSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { reasonOf } from '../../errors.ts'
import { IndexWriter } from '../index/index-writer.ts'
import { loadRules, refusedText } from '../rules/load.ts'
import { WindowRules } from '../rules/window-rules.ts'
import { Grammar } from '../sql/grammar.ts'
import { Judge } from './judge.ts'
import type { AnalystOptions, FromAnalyst, ToAnalyst } from './messages.ts'
import { openObservers } from './observers.ts'
import { ReadingRoom, usualMaxTerminals } from './reading-room.ts'
import type { AnalystBatch, WatchedSession } from './session-observer.ts'

/** How often open recordings are looked at. */
const pollMs = 300
/** How often it tells how far it is behind. */
const lagTellMs = 1000
/** How often observers do what waits for no session; and how long not, once one of them could not: most likely the disk is full. */
const attendMs = 1000
const attendPauseMs = 60_000
/** Batches that the gateway has not taken yet: it is busy with sessions, which come first. */
const maxUntaken = 32
/** Of the disk with the index: below it nothing is added, since sessions need the room more. */
const leastFreeBytes = 128 * 1024 * 1024
const freeCheckMs = 5000
/** Everybody's analysis waits for a statement that the grammar is busy with, and the grammar's memory never shrinks: what is more is not parsed. */
const grammarLimits = { parseTimeoutMs: 1000, maxTextLength: 262_144 }

if (parentPort === null) throw new Error('this is a worker thread')
const port = parentPort
const options = workerData as AnalystOptions

const writer = new IndexWriter(options.dataFolder)
if (options.afterCrash !== true) writer.forgive()
const { rulesFolder: rules, sigmaFolder: sigma } = options
const { catalogue, refused } = loadRules({
  ...(rules === undefined ? {} : { rules }),
  ...(sigma === undefined ? {} : { sigma }),
})
const grammar = new Grammar(grammarLimits)
const untaken = new Map<number, () => void>()
const fetching = new Map<string, (answer: { path?: string; problem?: string }) => void>()
let batches = 0
/** `told`: how many sessions the gateway knows to wait. `attendsFromMs`, of `performance.now`: not before it. */
const life = { isOver: false, told: -1, attendsFromMs: 0 }
let wake = (): void => {}

const observers = openObservers({ catalogue, observing: options.observing, onTrouble })
const room = new ReadingRoom({
  writer,
  judge: new Judge(catalogue, grammar),
  windows: () => new WindowRules(catalogue),
  observers,
  recordingsFolder: options.recordingsFolder,
  maxTerminals: options.maxTerminals ?? usualMaxTerminals,
  nowMs: Date.now,
  fetch: fetchRecording,
  post,
  onTrouble,
  onSessionTrouble: (session, cause) => tell({ kind: 'trouble', session, text: reasonOf(cause) }),
})

if (refused.length > 0) tell({ kind: 'trouble', text: refusedText(refused) })
port.on('message', (message: ToAnalyst) => {
  take(message)
  wake()
})
const telling = setInterval(() => tell({ kind: 'lag', lag: room.lag }), lagTellMs)
const attending = setInterval(attend, attendMs)
await run()

function take(message: ToAnalyst): void {
  switch (message.kind) {
    case 'sessions': {
      const isOver = new Map(message.sessions.map(one => [one.session.id, one.isOver]))
      const unfinished = writer.know(message.sessions)
      for (const session of unfinished) room.add(session, isOver.get(session.id) === true)
      tellBehind()
      return tell({ kind: 'done', id: message.id })
    }
    case 'over':
      writer.noteOver(message.session)
      return room.over(message.session)
    case 'forget':
      return answer(message.id, () => {
        room.forget(message.session)
        writer.forget(message.session)
      })
    case 'anew':
      return answer(message.id, () => {
        room.clear()
        writer.startAnew()
      })
    case 'keys':
      return room.unlock(message.session, message.keys)
    case 'finish':
      return void room.finish(message.session).then(() => tell({ kind: 'done', id: message.id }))
    case 'forget-keys':
      return room.forgetKeys(message.session)
    case 'fetched':
      fetching.get(message.session)?.(message)
      fetching.delete(message.session)
      return
    case 'taken':
      untaken.get(message.batch)?.()
      untaken.delete(message.batch)
      return
    case 'stop':
      life.isOver = true
      room.clear()
  }
}

function answer(id: number, work: () => void): void {
  try {
    work()
    tell({ kind: 'done', id })
  } catch (cause) {
    tell({ kind: 'done', id, problem: reasonOf(cause) })
  }
}

function tell(message: FromAnalyst): void {
  port.postMessage(message, [])
}

function attend(): void {
  if (performance.now() < life.attendsFromMs) return
  try {
    for (const observer of observers) observer.attend?.(Date.now())
  } catch (cause) {
    onTrouble(cause)
    life.attendsFromMs = performance.now() + attendPauseMs
  }
}

function onTrouble(cause: unknown): void {
  tell({ kind: 'trouble', text: reasonOf(cause) })
}

function tellBehind(): void {
  life.told = room.behind
  tell({ kind: 'behind', sessions: life.told })
}

/** Resolves when it was taken: at once where the session goes on, but not without end. */
async function post(batch: AnalystBatch): Promise<void> {
  const number = ++batches
  const taken = new Promise<void>(resolve => untaken.set(number, resolve))
  tell({ kind: 'batch', number, batch })
  if (batch.isSealed || untaken.size >= maxUntaken) await taken
}

async function fetchRecording(session: WatchedSession): Promise<{ path: string; release: () => void }> {
  const answered = new Promise<{ path?: string; problem?: string }>(resolve =>
    fetching.set(session.id, resolve),
  )
  tell({ kind: 'fetch', session: session.id, recording: session.recording })
  const { path, problem } = await answered
  if (path === undefined) throw new Error(problem ?? 'The recording is gone.')
  return { path, release: () => tell({ kind: 'release', session: session.id }) }
}

async function run(): Promise<void> {
  for (let checkedMs = Number.NEGATIVE_INFINITY; !life.isOver; ) {
    if (performance.now() - checkedMs > freeCheckMs) {
      checkedMs = performance.now()
      while (!life.isOver && !hasRoom()) await pause(freeCheckMs)
    }
    const isBusy = await room.turn()
    if (room.behind !== life.told) tellBehind()
    await (isBusy ? new Promise(resolve => setImmediate(resolve)) : pause(pollMs))
  }
  clearInterval(telling)
  clearInterval(attending)
  await grammar.close()
  writer.close()
  port.close()
}

function hasRoom(): boolean {
  const { bavail, bsize } = statfsSync(options.dataFolder)
  if (bavail * bsize >= leastFreeBytes) return true
  tell({
    kind: 'trouble',
    text: 'The disk is nearly full: nothing is added to the index until there is room.',
  })
  return false
}

/** Until so long, or until a message comes. */
async function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  wake = resolve
  await promise
  clearTimeout(timer)
  wake = () => {}
}
