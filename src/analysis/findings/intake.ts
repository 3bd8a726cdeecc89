/** Drafts of the analysis become findings: one of each group and session, placed within the budget of their day. */
import { reasonOf } from '../../errors.ts'
import type { FindingRow, SessionRow, SuppressionRow } from '../../model.ts'
import { sessionOfNobody } from '../../store/session-of-nobody.ts'
import { type DeskParts, gatewayName } from './desk-parts.ts'
import { type FindingDraft, isWorse, newId } from './finding.ts'
import { noSession } from './integrity-findings.ts'
import { personOf, placesOf } from './queue.ts'
import { covers, type Suppressible } from './suppression.ts'

const dayMs = 86_400_000
/** Findings of one day that compete for its budget, the worst first; those after them stand below the line. */
const maxOfDay = 1000
/** Drafts that wait while the store is busy. Rules are met far less often than that. */
const maxWaiting = 10_000

/** What a finding is about that is about no session. */
const theGateway = sessionOfNobody('ssh', '')

export class Intake {
  readonly #parts: DeskParts
  #turn: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  /** One after the other, so that the budget is counted right. Never throws: what cannot be stored is in the log. */
  take(draft: FindingDraft): Promise<void> {
    return this.#inTurn(() => this.#take(draft))
  }

  /** The session is over: one that met nothing may be drawn for the random sample. */
  sealed(session: string): Promise<void> {
    return this.#inTurn(async () => {
      const { aliases, config, store, sessions, clock } = this.#parts
      if (!aliases.draws(session, config().analysis.sampleShare)) return
      if ((await store.ofSession(session)).length > 0) return
      const row = await sessions.get(session)
      if (row !== undefined) await this.#take(sampleOf(row, config().analysis.sampleShare, clock.nowMs()))
    })
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    if (this.#waiting >= maxWaiting) {
      this.#parts.log.error({ waiting: this.#waiting }, 'findings: too many wait, one was dropped')
      return Promise.resolve()
    }
    this.#waiting++
    this.#turn = this.#turn.then(action).catch((cause: unknown) => {
      this.#parts.log.error({ reason: reasonOf(cause) }, 'findings: one could not be stored')
    })
    return this.#turn.finally(() => this.#waiting--)
  }

  async #take(draft: FindingDraft): Promise<void> {
    const { store, sessions } = this.#parts
    const session = draft.session === noSession ? theGateway : await sessions.get(draft.session)
    if (session === undefined) return
    const before = await store.ofGroup(draft.session, draft.group)
    if (before === undefined) await this.#begin(draft, session)
    else if (isOfSamePerson(draft, before)) await this.#add(before, draft, session)
  }

  /** The first of its group. The audit log has it before the store. */
  async #begin(draft: FindingDraft, session: SessionRow): Promise<void> {
    const { store, clock } = this.#parts
    const nowMs = clock.nowMs()
    const row = await this.#newRow(draft, session, nowMs)
    this.#audit(row, draft, session)
    await store.put(row)
    await this.#note(row, 'noticed')
    if (isPlaced(row)) await this.#rank(row.createdAtMs)
    await this.#tell(row, session, nowMs)
  }

  /**
   * More of what the session has. `before` tells what the analysis said of it, which nobody else changes, and its place. What people decided may be
   * newer than that; `put` keeps it, and whatever depends on it is looked up again.
   */
  async #add(before: FindingRow, draft: FindingDraft, session: SessionRow): Promise<void> {
    const { store, clock } = this.#parts
    const nowMs = clock.nowMs()
    const row = added(before, draft, nowMs)
    const isGraver = !isSameSeverity(before, row)
    const isNews = isGraver || !hasSameRules(before, row)
    if (!isNews && before.body === row.body) return
    const isOut = before.place === 'suppressed' && (await this.#suppressionOf(row, nowMs)) === undefined
    const isProposalVoid = await store.put(row)
    if (isOut) await store.setPlace(row.id, 'below', undefined)
    if (isNews) await this.#note(row, 'more was noticed')
    if (isProposalVoid)
      await this.#note(row, 'closing it has to be proposed anew: the proposal was made before that')
    if (isGraver) await this.#reopen(row.id)
    if (isPlaced(row) || isOut) await this.#rank(row.createdAtMs)
    if (isNews) await this.#tell(row, session, nowMs)
  }

  #audit(
    { id, group, severity, place, rules }: FindingRow,
    { body }: FindingDraft,
    session: SessionRow,
  ): void {
    const { target, protocol } = session
    const where = session.id === noSession ? {} : { session: session.id, target, protocol }
    const techniques = body.techniques.map(technique => technique.id)
    const what = { group, severity, place, rules, techniques }
    this.#parts.audit.append({ kind: 'finding-noticed', finding: id, ...where, ...what })
  }

  /** As it is by now: it has been ranked. */
  async #tell(row: FindingRow, session: SessionRow, nowMs: number): Promise<void> {
    const { store, onFinding } = this.#parts
    if (isRecent(session, nowMs)) onFinding?.((await store.get(row.id)) ?? row, session)
  }

  async #newRow(draft: FindingDraft, session: SessionRow, nowMs: number): Promise<FindingRow> {
    const { config, aliases } = this.#parts
    const { shadow, pseudonyms } = config().analysis
    const about = { ...draft, target: session.target, ...withoutName(draft.person ?? session) }
    const suppression = await this.#suppressionOf(about, nowMs)
    const place = shadow ? 'shadow' : suppression === undefined ? 'below' : 'suppressed'
    const { issuer, subject } = draft.person ?? session
    return {
      id: newId(),
      session: session.id,
      group: draft.group,
      kind: draft.kind,
      state: 'new',
      severity: draft.severity,
      unusualness: draft.unusualness,
      place,
      placeReason:
        suppression === undefined
          ? undefined
          : `Suppressed by ${suppression.ownerName}: ${suppression.rationale}`,
      protocol: session.protocol,
      issuer,
      subject,
      principalName: draft.person?.name ?? session.principalName,
      alias:
        pseudonyms === undefined || session.id === noSession
          ? undefined
          : aliases.of({ issuer, subject }, nowMs, pseudonyms.rotateMs),
      target: session.target,
      login: session.login,
      role: session.role,
      rules: draft.rules,
      atMs: draft.atMs,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      assignee: undefined,
      assigneeName: undefined,
      closedAtMs: undefined,
      closeReason: undefined,
      proposal: undefined,
      body: JSON.stringify(draft.body),
    }
  }

  async #suppressionOf(finding: Suppressible, nowMs: number): Promise<SuppressionRow | undefined> {
    return (await this.#parts.store.suppressions(nowMs)).find(one => covers(one, finding))
  }

  /** If it was closed: whoever closed it had not seen what is worse. */
  async #reopen(id: string): Promise<void> {
    const { store, clock } = this.#parts
    const row = await store.get(id)
    if (row?.state !== 'closed') return
    const from = { states: ['closed'], proposal: undefined } as const
    const open = { ...row, state: 'new', closedAtMs: undefined, closeReason: undefined } as const
    const event = { finding: id, atMs: clock.nowMs(), by: gatewayName, byName: gatewayName }
    await store.decide(id, from, open, {
      ...event,
      what: 'reopened: it became more severe',
      note: undefined,
    })
  }

  /** Places of the day are drawn up anew: a later finding may be above an earlier one. */
  async #rank(createdAtMs: number): Promise<void> {
    const { store, config } = this.#parts
    const fromMs = Math.floor(createdAtMs / dayMs) * dayMs
    const day = await store.placedBetween(fromMs, fromMs + dayMs, maxOfDay)
    const compared = day.filter(({ kind }) => kind === 'baseline')
    const open = new Map<string, number>()
    for (const [key, person] of new Map(compared.map(row => [personOf(row), row])))
      open.set(key, await store.countOpenBaselines(person, fromMs))
    const places = placesOf(day, open, config().analysis)
    for (const row of day) {
      const to = places.get(row.id)
      if (to !== undefined && (to.place !== row.place || to.reason !== row.placeReason))
        await store.setPlace(row.id, to.place, to.reason)
    }
  }

  async #note({ id }: FindingRow, what: string): Promise<void> {
    const { store, clock } = this.#parts
    const by = { by: gatewayName, byName: gatewayName }
    await store.note({ finding: id, atMs: clock.nowMs(), ...by, what, note: undefined })
  }
}

/** Nobody acts on a session that was over long before anything was noticed in it, as when recordings are read again. */
const recentMs = 600_000

function isRecent({ id, endedAtMs = Infinity }: SessionRow, nowMs: number): boolean {
  return id !== noSession && endedAtMs > nowMs - recentMs
}

/** A draft may be about somebody else than whose session it is; then its finding is, too. */
function isOfSamePerson({ person }: FindingDraft, row: FindingRow): boolean {
  return person === undefined || personOf(person) === personOf(row)
}

/** Whether it has a place within the budget of its day, or below the line. */
function isPlaced({ place }: FindingRow): boolean {
  return place === 'queue' || place === 'below'
}

/** A session analysed again gives the same drafts; and what was found stays found. */
function added(before: FindingRow, draft: FindingDraft, nowMs: number): FindingRow {
  return {
    ...before,
    severity: isWorse(draft.severity, before.severity) ? draft.severity : before.severity,
    unusualness: draft.unusualness ?? before.unusualness,
    rules: [...new Set([...before.rules, ...draft.rules])].toSorted(),
    updatedAtMs: nowMs,
    body: JSON.stringify(draft.body),
  }
}

function isSameSeverity(a: FindingRow, b: FindingRow): boolean {
  return a.severity === b.severity
}

function hasSameRules(a: FindingRow, b: FindingRow): boolean {
  return a.rules.join() === b.rules.join()
}

function withoutName({ issuer, subject }: Pick<SessionRow, 'issuer' | 'subject'>) {
  return { issuer, subject }
}

/** Drawn by chance, so that what rules and baselines miss is seen, too; it says nothing of the session. */
export function sampleOf({ id, openedAtMs }: SessionRow, share: number, nowMs: number): FindingDraft {
  return {
    session: id,
    group: 'sample',
    kind: 'sample',
    severity: 'info',
    rules: [],
    atMs: Math.min(openedAtMs, nowMs),
    body: {
      sentence: 'Drawn at random from sessions in which nothing was found.',
      why: [
        { observed: `Of all sessions without a finding, ${share * 100} % are drawn, whoever they are of.` },
      ],
      quotes: [],
      techniques: [],
      benign: [],
      quality: ['This is a check of the rules and baselines, not of the person.'],
      versions: {},
    },
  }
}
