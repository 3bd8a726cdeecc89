/** Legal holds: placed on sessions and persons, under a case or alone, and released by hand or at their instant. */
import { randomBytes } from 'node:crypto'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import { Fault } from '../../errors.ts'
import type { HoldRow } from '../../model.ts'
import type { KeyOwner, Store } from '../../store/store.ts'

/** Each is looked at for each session. */
const maxHolds = 10_000

/** Whom something is asked about: by name as sessions show it, or by issuer and subject, which is who they are. */
export type PersonWish = { readonly name: string } | KeyOwner

export type HoldWish = {
  readonly sessions: readonly string[]
  readonly persons: readonly PersonWish[]
  readonly caseName: string | undefined
  readonly who: string
  readonly why: string
  readonly untilMs: number | undefined
}

export type ReleaseWish = {
  /** The ids of holds, or a case with all of them. */
  readonly ids: readonly string[]
  readonly caseName: string | undefined
  readonly who: string
  readonly why: string
}

export type HoldParts = {
  readonly store: Pick<Store, 'sessions' | 'holds' | 'purges'>
  readonly audit: Pick<AuditLog, 'append'>
  readonly clock: Clock
}

/** Places one hold for each session and person; all of them exist, or none is placed. */
export async function placeHolds(wish: HoldWish, by: string, parts: HoldParts): Promise<readonly HoldRow[]> {
  const { caseName, who, why, untilMs, sessions, persons } = wish
  const placedAtMs = parts.clock.nowMs()
  if (untilMs !== undefined && untilMs <= placedAtMs)
    throw new Fault('CONFIG_INVALID', 'A hold must end in the future.')
  const about = { caseName, who, why, untilMs, placedAtMs, releasedAtMs: undefined }
  const nobody = { issuer: undefined, subject: undefined, person: undefined }
  const rows: HoldRow[] = []
  for (const session of sessions) {
    await requireSession(session, parts)
    rows.push({ id: holdId(), session, ...nobody, ...about })
  }
  for (const person of persons) {
    const { issuer, subject } = await resolvePerson(person, parts)
    const name = 'name' in person ? person.name : subject
    rows.push({ id: holdId(), session: undefined, issuer, subject, person: name, ...about })
  }
  if (rows.length === 0) throw new Fault('CONFIG_INVALID', 'Say which session or person is to be held.')
  if ((await parts.store.holds.unreleased()).length + rows.length > maxHolds)
    throw new Fault('CONFIG_INVALID', `There are too many holds: at most ${maxHolds}.`)
  for (const row of rows) {
    tellPlaced(row, by, parts)
    await parts.store.holds.insert(row)
  }
  return rows
}

/** `letGo` comes first: a bucket that is away keeps its own hold, and then ours stays too, to be released again. */
export async function releaseHolds(
  wish: ReleaseWish,
  by: string,
  parts: HoldParts,
  letGo: (released: readonly HoldRow[], left: readonly HoldRow[]) => Promise<void>,
): Promise<readonly HoldRow[]> {
  const all = await parts.store.holds.unreleased()
  const wanted = all.filter(
    hold => wish.ids.includes(hold.id) || (wish.caseName !== undefined && hold.caseName === wish.caseName),
  )
  const unknown = wish.ids.find(id => !wanted.some(hold => hold.id === id))
  if (unknown !== undefined || wanted.length === 0)
    throw new Fault('NOT_FOUND', 'There is no such hold. "sallyport retention holds" shows all.')
  await letGo(
    wanted,
    all.filter(hold => !wanted.includes(hold)),
  )
  const { who, why } = wish
  for (const { id, session, issuer, subject, caseName } of wanted) {
    parts.audit.append({
      kind: 'hold-released',
      hold: id,
      session,
      issuer,
      subject,
      case: caseName,
      who,
      why,
      by,
    })
    await parts.store.holds.release(id, parts.clock.nowMs())
  }
  return wanted
}

/** The one person that is meant. Throws Fault NOT_FOUND for nobody, and for a name that several have. */
export async function resolvePerson(
  person: PersonWish,
  { store }: Pick<HoldParts, 'store'>,
): Promise<KeyOwner> {
  if (!('name' in person)) return person
  const found = await store.sessions.peopleNamed(person.name)
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  if (only === undefined)
    throw new Fault(
      'NOT_FOUND',
      `No session is of a person named "${person.name}". Say --issuer and --subject for one who had none yet.`,
    )
  const who = found.map(({ issuer, subject }) => `${subject} of ${issuer}`).join('; ')
  throw new Fault(
    'NOT_FOUND',
    `Several persons are named "${person.name}": ${who}. Say --issuer and --subject.`,
  )
}

async function requireSession(id: string, { store }: HoldParts): Promise<void> {
  if ((await store.sessions.get(id)) === undefined)
    throw new Fault('NOT_FOUND', `There is no session ${id}. "sallyport sessions list" shows all.`)
  if ((await store.purges.get(id))?.finishedAtMs !== undefined)
    throw new Fault('NOT_FOUND', `The recording of session ${id} was removed already: a hold comes too late.`)
}

function tellPlaced(row: HoldRow, by: string, { audit }: HoldParts): void {
  const { id, session, issuer, subject, person, caseName, who, why, untilMs } = row
  const until = untilMs === undefined ? 'released' : new Date(untilMs).toISOString()
  audit.append({
    kind: 'hold-placed',
    hold: id,
    session,
    issuer,
    subject,
    person,
    case: caseName,
    who,
    why,
    until,
    by,
  })
}

/** Short enough to type: 40 bits tell ten thousand apart. */
function holdId(): string {
  return `h${randomBytes(5).toString('hex')}`
}
