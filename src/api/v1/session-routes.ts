/** Lists of sessions, and one session with what is known of it. */
import { z } from 'zod'
import type { Among, SessionFilter, SessionPlace } from '../../store/session-query.ts'
import type { ApiParts } from './deps.ts'
import { cursor, flag, instant, limit, several, severities, whole, word } from './fields.ts'
import { type Asking, route, type Route, sessionRoute } from './route.ts'
import { detailOf } from './session-detail.ts'
import { summariesOf } from './session-views.ts'
import { histogram, sessionDetail, sessionPage } from './shapes.ts'
import { visibleTo } from './visible-sessions.ts'

/** A value that begins with `-` filters out, one with `*` stands for what begins, ends or goes on so. */
const among = several(word)
/** Milliseconds: no session lasts a year. */
const maxLastedMs = 366 * 86_400_000
/** Words of one look for names. */
const maxNamed = 8
const filterFields = {
  from: instant,
  to: instant,
  principal: among,
  target: among,
  login: among,
  protocol: among,
  role: among,
  source: among,
  named: several(word, maxNamed),
  state: several(z.enum(['open', 'ended', 'terminated', 'interrupted'])),
  longer: whole(0, maxLastedMs).optional(),
  shorter: whole(0, maxLastedMs).optional(),
  severity: severities,
  finding: flag,
  reviewed: flag,
  wanted: flag,
  assignee: among,
  id: several(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no id of a session')),
}
const filterQuery = z.strictObject(filterFields)
const listQuery = z.strictObject({ ...filterFields, cursor, limit })
type FilterQuery = z.output<typeof filterQuery>

export function sessionRoutes(parts: ApiParts): readonly Route[] {
  return [
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/sessions',
        summary: 'Sessions that you may review, newest first',
        query: listQuery,
        answer: sessionPage,
      },
      async ({ query, person }) =>
        listOf(
          parts,
          person,
          filterOf(query, await visible(parts, person), parts.fourEyes(), asked(parts, person)),
          query,
        ),
    ),
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/sessions/histogram',
        summary: 'How many of them opened when',
        query: filterQuery,
        answer: histogram,
      },
      async ({ query, person }) =>
        parts.catalogue.histogram(
          filterOf(query, await visible(parts, person), parts.fourEyes(), asked(parts, person)),
        ),
    ),
    route(
      'person',
      {
        method: 'GET',
        path: '/me/sessions',
        summary: 'Your own sessions, newest first',
        query: listQuery,
        answer: sessionPage,
      },
      ({ query, person }) => {
        const { issuer, subject } = person.principal.fields
        // What others noticed and want of them is not told by a filter either.
        const filters = {
          ...query,
          severity: undefined,
          finding: undefined,
          wanted: undefined,
          assignee: undefined,
        }
        return listOf(
          parts,
          person,
          filterOf(filters, { kind: 'own', of: { issuer, subject } }, [], asked(parts, person)),
          query,
        )
      },
    ),
    sessionRoute(
      { method: 'GET', path: '/sessions/:id', summary: 'One session', answer: sessionDetail },
      ask => detailOf(parts, ask),
    ),
  ]
}

/** What `me` and durations are of. */
function asked({ clock }: ApiParts, { name }: Asking) {
  return { nowMs: clock.nowMs(), me: name }
}

async function visible(parts: ApiParts, person: Asking): Promise<SessionFilter['visible']> {
  return visibleTo(parts.policy(), person.principal, await parts.catalogue.targets())
}

function filterOf(
  query: FilterQuery,
  visible: SessionFilter['visible'],
  fourEyes: SessionFilter['fourEyes'],
  { nowMs, me }: { readonly nowMs: number; readonly me: string },
): SessionFilter {
  const {
    from,
    to,
    principal,
    target,
    login,
    protocol,
    role,
    source,
    named,
    state,
    longer,
    shorter,
    severity,
    finding,
    reviewed,
    wanted,
    assignee,
    id,
  } = query
  return {
    visible,
    fromMs: from,
    toMs: to,
    among: {
      principalName: amongOf(principal),
      target: amongOf(target),
      login: amongOf(login),
      protocol: amongOf(protocol),
      role: amongOf(role),
      sourceAddress: amongOf(source),
    },
    named: amongOf(named),
    states: state,
    lasted: { fromMs: longer, toMs: shorter, nowMs },
    severities: severity,
    hasFinding: finding,
    isReviewed: reviewed,
    isWanted: wanted,
    assignees: assignee?.map(name => (name === 'nobody' ? '' : name === 'me' ? me : name)),
    fourEyes,
    ids: id,
  }
}

function amongOf(values: readonly string[] | undefined): Among | undefined {
  if (values === undefined) return undefined
  const not = values.filter(value => value.startsWith('-')).map(value => value.slice(1))
  return { is: values.filter(value => !value.startsWith('-')), not }
}

async function listOf(
  parts: ApiParts,
  person: Asking,
  filter: SessionFilter,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
) {
  const { rows, next, total, isTotalExact } = await parts.catalogue.page({
    filter,
    limit,
    before: placeIn(cursor),
  })
  const items = await summariesOf(parts, rows, person)
  return {
    items,
    ...(next === undefined ? {} : { next: `${next.openedAtMs}.${next.id}` }),
    total,
    isTotalExact,
  }
}

/** `<milliseconds>.<session id>`; anything else begins at the beginning. */
function placeIn(text: string | undefined): SessionPlace | undefined {
  const match = /^(\d{1,15})\.([A-Za-z0-9_-]{1,64})$/.exec(text ?? '')
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  return { openedAtMs: Number(match[1]), id: match[2] }
}
