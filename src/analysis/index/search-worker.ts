/** The thread that reads the index. Questions are answered one after the other. */
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { reasonOf } from '../../errors.ts'
import { IndexReader } from './index-reader.ts'
import { indexFile, openIndexToRead } from './schema.ts'
import type { Answered, Answers, Asked, Question, SearchWorkerData } from './search-messages.ts'
import { warmUp } from './warm-up.ts'

const { dataFolder, isCold } = workerData as SearchWorkerData
let reader: IndexReader | undefined

// What a disk does not give now, it does not give a question either, and that is told.
if (isCold) warmUp(join(dataFolder, indexFile)).catch(() => {})

parentPort?.on('message', (asked: Asked) => {
  if ('kind' in asked) {
    reader?.close()
    reader = undefined
  } else parentPort?.postMessage(answer(asked.id, asked.question), [])
})

function answer(id: number, question: Question): Answered {
  try {
    reader ??= open()
    return { id, answer: reader === undefined ? nothing(question) : ask(reader, question) }
  } catch (cause) {
    return { id, problem: reasonOf(cause) }
  }
}

function open(): IndexReader | undefined {
  const database = openIndexToRead(dataFolder)
  return database === undefined ? undefined : new IndexReader(database)
}

function ask(index: IndexReader, question: Question): unknown {
  switch (question.kind) {
    case 'search':
      return index.search(question.wish, question.nowMs)
    case 'entries':
      return index.entries(question.wish)
    case 'entry':
      return index.entry(question.session, question.number)
    case 'hits':
      return index.hits(question.session)
    case 'sessions':
      return index.sessions(question.ids)
    case 'targets':
      return index.targets()
    case 'progress':
      return index.progress()
  }
}

/** There is no index yet. */
function nothing({ kind }: Question): Answers[Question['kind']] {
  const empty: Answers = {
    search: { ok: true, page: { items: [], total: 0, isTotalExact: true, tookMs: 0 } },
    entries: { items: [] },
    entry: undefined,
    hits: [],
    sessions: new Map(),
    targets: [],
    progress: { entries: 0 },
  }
  return empty[kind]
}
