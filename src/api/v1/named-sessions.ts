/** Sessions whose person, target or login is called as somebody searches: the other half of a search for plain words. */
import { parseQuery, type SearchQuery } from '../../analysis/index/query.ts'
import type { SessionRow } from '../../model.ts'
import type { Among } from '../../store/session-query.ts'
import type { NamedSession, SearchPage } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import type { Asking } from './route.ts'
import { visibleTo } from './visible-sessions.ts'

/** The newest ones; the list of sessions has all of them. */
const maxShown = 5
/** Words of one look for names, as `GET /sessions?named=` takes them. */
const maxWords = 8

/** Of what the asker may see and nothing else, so that nothing else counts. Undefined where the search is for something else than names. */
export async function namedSessions(
  { catalogue, policy }: ApiParts,
  { principal }: Asking,
  text: string,
  nowMs: number,
): Promise<SearchPage['named']> {
  const parsed = parseQuery(text, nowMs)
  const words = parsed.ok ? namesIn(parsed.query) : undefined
  if (!parsed.ok || words === undefined) return undefined
  const { users, targets, afterMs, beforeMs } = parsed.query
  const visible = visibleTo(policy(), principal, await catalogue.targets())
  const among = {
    principalName: amongOf(users, name => `*${name}*`),
    target: amongOf(targets, name => name),
  }
  const filter = { visible, named: { is: words, not: [] }, among, fromMs: afterMs, toMs: beforeMs }
  const { rows, total, isTotalExact } = await catalogue.page({ filter, limit: maxShown })
  return { words, items: rows.map(namedSession), total, isTotalExact }
}

/** All words are wanted, and nothing that only entries have. */
function namesIn({ all, none, kinds, sessions, rules }: SearchQuery): readonly string[] | undefined {
  const isOfEntries = [kinds, sessions, rules].some(({ any, none: not }) => any.length + not.length > 0)
  if (isOfEntries || none.length > 0 || all.some(terms => terms.length > 1)) return undefined
  const words = all.flat().flatMap(term => term.words)
  return words.length === 0 || words.length > maxWords ? undefined : words
}

function amongOf({ any, none }: SearchQuery['users'], pattern: (name: string) => string): Among {
  return { is: any.map(pattern), not: none.map(pattern) }
}

function namedSession({ id, protocol, principalName, target, login, openedAtMs }: SessionRow): NamedSession {
  return { id, protocol, principal: principalName, target, login, openedAtMs }
}
