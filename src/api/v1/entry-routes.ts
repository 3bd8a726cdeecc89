/** What happened in a session, one thing at a time: from the index, or from the recording where the index does not have it yet. */
import { z } from 'zod'
import type { EntryKind } from '../../analysis/entry.ts'
import type { EntryView, Page } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { cursor, whole } from './fields.ts'
import { withRecording } from './recordings.ts'
import { conflict, notThere } from './refusals.ts'
import { viewOf } from './replay/entry-view.ts'
import { type Answer, type Refused, type Route, type SessionAsk, sessionRoute } from './route.ts'
import { entryPage, statementText } from './shapes.ts'

/** Rows of one page: a list of some thousand commands is there in a few. */
const maxRows = 1000

const query = z.strictObject({ cursor, limit: whole(1, maxRows).default(200) })
type Query = z.output<typeof query>

export function entryRoutes(parts: ApiParts): readonly Route[] {
  const list = (path: string, summary: string, kinds: readonly EntryKind[]): Route =>
    sessionRoute(
      { method: 'GET', path: `/sessions/:id/${path}`, summary, weight: 'heavy', query, answer: entryPage },
      ask => entriesOf(parts, ask, kinds),
    )
  return [
    list('commands', 'Its commands', ['command']),
    list('statements', 'Its SQL statements', ['statement']),
    list('files', 'Files that passed, and connections that were forwarded', ['file', 'forward']),
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/statements/:number',
        summary: 'Everything of one statement',
        weight: 'heavy',
        answer: statementText,
      },
      ask => statementOf(parts, ask),
    ),
  ]
}

async function entriesOf(
  parts: ApiParts,
  { row, person, query: { cursor: at, limit } }: SessionAsk<Query>,
  kinds: readonly EntryKind[],
): Promise<Page<EntryView> | Refused> {
  return await withRecording(parts, row, async file => {
    await parts.readings.note(row, person, 'transcript')
    const state = (await parts.index?.sessions([row.id]))?.get(row.id)?.state
    const isOurs = at?.startsWith('r') === true // who began with the recording goes on with it
    if (!isOurs && parts.index !== undefined && (state === 'done' || state === 'reading'))
      return await indexed(parts.index, row.id, kinds, at, limit)
    const from = Number(/^r(\d{1,7})$/.exec(at ?? '')?.[1] ?? 0)
    const { items, next } = await parts.reading.ask({ do: 'entries', file, kinds, from, limit })
    return {
      items: items.map(entry => viewOf(entry, [])),
      ...(next === undefined ? {} : { next: `r${next}` }),
    }
  })
}

async function indexed(
  index: NonNullable<ApiParts['index']>,
  session: string,
  kinds: readonly EntryKind[],
  at: string | undefined,
  limit: number,
): Promise<Page<EntryView>> {
  const wish = { session, kinds, limit, withUsage: true, ...(at === undefined ? {} : { cursor: at }) }
  const { items, next } = await index.entries(wish)
  return {
    items: items.map(({ entry, hits, usage }) => viewOf(entry, hits, usage)),
    ...(next === undefined ? {} : { next }),
  }
}

async function statementOf(parts: ApiParts, { row, person, params }: SessionAsk): Promise<Answer> {
  const text = params['number'] ?? ''
  if (!/^\d{1,9}$/.test(text)) return notThere
  return await withRecording<Answer>(parts, row, async file => {
    await parts.readings.note(row, person, 'transcript')
    const found = await parts.reading.ask({ do: 'statement', file, entry: Number(text) })
    return found !== undefined && 'damage' in found ? damaged(found.damage) : (found ?? notThere)
  })
}

/** It may be known from the index, which was made while the recording was whole. */
function damaged(reason: string): Refused {
  return conflict(
    'Damaged',
    `The part of the recording that has this statement is damaged (${reason}). What the list says of it was read before, or cannot be checked any more.`,
  )
}
