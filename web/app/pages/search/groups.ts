/** Hits of a search, those of one session together. */
import type { SearchHit } from '../../../../src/api/schema.ts'

/** Whoever jumps to a moment sees what led to it. Milliseconds. */
const leadMs = 2000

export type SessionHits = {
  readonly session: string
  readonly principal: string
  readonly target: string
  /** Of the newest hit. */
  readonly atMs: number
  readonly hits: readonly SearchHit[]
}

/** In the order in which sessions come first; hits of one keep theirs. */
export function bySession(hits: readonly SearchHit[]): readonly SessionHits[] {
  const groups = new Map<string, SearchHit[]>()
  for (const hit of hits) {
    const known = groups.get(hit.session)
    if (known === undefined) groups.set(hit.session, [hit])
    else known.push(hit)
  }
  return [...groups].map(([session, members]) => ({
    session,
    principal: members[0]?.principal ?? '',
    target: members[0]?.target ?? '',
    atMs: members[0]?.atMs ?? 0,
    hits: members,
  }))
}

/** The page of the session at that moment, two seconds before. Below `/app`. */
export function momentOf({
  session,
  offsetMs,
  entry,
}: {
  session: string
  offsetMs: number
  entry?: number
}): string {
  const seconds = Math.max(0, offsetMs - leadMs) / 1000
  const query = new URLSearchParams({ t: String(Math.floor(seconds * 10) / 10) })
  if (entry !== undefined) query.set('entry', String(entry))
  return `/sessions/${encodeURIComponent(session)}?${query.toString()}`
}

/** A long text cut to what is around its first mark, with marks that fit it. Lines and columns become one line. */
export function excerpt(
  { text, marks }: Pick<SearchHit, 'text' | 'marks'>,
  maxCharacters: number,
): Pick<SearchHit, 'text' | 'marks'> {
  const line = text.replaceAll('\n', '↵').replaceAll('\t', ' ')
  if (text.length <= maxCharacters) return { text: line, marks }
  const first = marks[0]?.[0] ?? 0
  const from = wholeAt(
    text,
    Math.max(0, Math.min(first - Math.floor(maxCharacters / 4), text.length - maxCharacters)),
  )
  const to = wholeAt(text, from + maxCharacters)
  const [before, after] = [from > 0 ? '…' : '', to < text.length ? '…' : '']
  const moved = marks
    .filter(([start, end]) => start >= from && end <= to)
    .map(([start, end]) => [start - from + before.length, end - from + before.length] as const)
  return { text: before + line.slice(from, to) + after, marks: moved }
}

/** Never between the halves of a character beyond the first plane. */
function wholeAt(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at
}
