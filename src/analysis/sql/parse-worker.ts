/** One thread that reads texts with PostgreSQL's grammar, one after the other. It may hang or die; grammar.ts starts another one. */
import { parentPort } from 'node:worker_threads'
import { type Analysis, unparsable } from './analysis.ts'
import { maskedReach } from './masked-reach.ts'
import type { MaskedTables } from './masked-tables.ts'
import { parseText, ready } from './parse.ts'

export type ParseRequest =
  | { readonly kind: 'parse'; readonly id: number; readonly text: string; readonly masks: number | undefined }
  /** What is masked in a database; texts refer to it by its number. */
  | { readonly kind: 'masks'; readonly number: number; readonly tables: MaskedTables }
  | { readonly kind: 'forget'; readonly number: number }
export type ParseAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly analysis: Analysis }

const masks = new Map<number, MaskedTables>()

function answer(request: ParseRequest): void {
  if (request.kind === 'masks') return void masks.set(request.number, request.tables)
  if (request.kind === 'forget') return void masks.delete(request.number)
  parentPort?.postMessage(
    {
      kind: 'answer',
      id: request.id,
      analysis: analysisOf(request.text, request.masks),
    } satisfies ParseAnswer,
    [],
  )
}

function analysisOf(text: string, number: number | undefined): Analysis {
  if (number === undefined) return parseText(text)
  const tables = masks.get(number)
  return tables === undefined
    ? unparsable('what is masked is not known')
    : parseText(text, tree => maskedReach(tree, tables))
}

await ready
parentPort?.on('message', answer)
parentPort?.postMessage({ kind: 'ready' } satisfies ParseAnswer, [])
