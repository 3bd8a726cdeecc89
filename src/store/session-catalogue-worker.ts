import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { reasonOf } from '../errors.ts'
import type { CatalogueAnswer, CatalogueOrder, CatalogueQuestion } from './session-catalogue.ts'
import { SessionQueries } from './session-query.ts'

const database = new Database(workerData as string, { readonly: true })
const queries = new SessionQueries(database)

parentPort?.on('message', (order: CatalogueOrder | 'close') => {
  if (order !== 'close') return parentPort?.postMessage(answer(order), [])
  database.close()
  parentPort?.close()
  return undefined
})

function answer({ id, question }: CatalogueOrder): CatalogueAnswer {
  try {
    return { id, found: find(question) }
  } catch (error) {
    return { id, problem: reasonOf(error) }
  }
}

function find(question: CatalogueQuestion): unknown {
  switch (question.ask) {
    case 'page':
      return queries.page(question.wish)
    case 'histogram':
      return queries.histogram(question.filter)
    case 'targets':
      return queries.targets()
  }
}
