/** What reviewers decide on findings. Each decision names who, why and what it was before, in the history and in the audit log. */
import { randomBytes } from 'node:crypto'
import type { FindingRow, FindingState, Severity, SuppressionRow, UnmaskRow } from '../../model.ts'
import { emergencyRule } from '../../policy/reaction.ts'
import type { FindingDecision } from '../../store/store.ts'
import type { Answer, Asker, Closing, FindingInFull, Suppressing, VerdictOn } from './desk.ts'
import {
  changedMeanwhile,
  checkText,
  type DeskParts,
  isConcerned,
  keyOf,
  maySee,
  nameOf,
  noFinding,
  refused,
  reviewsTarget,
} from './desk-parts.ts'
import { inFull, mayApprove, type Proposal, proposalOf } from './desk-views.ts'
import { isAtLeast } from './finding.ts'
import { suppressionsOf } from './suppression.ts'

type Decided = Promise<Answer<FindingInFull>>

/** A suppression is looked at again after a while; nobody can hide a rule for ever. */
const maxSuppressMs = 366 * 86_400_000
/** Suppressions in force of one person: each finding is compared with all of them. */
const maxSuppressions = 2000
/** Nobody puts a finding off for longer: what can wait for weeks can be closed. */
const maxSnoozeMs = 14 * 86_400_000
/** Requests for names that wait for approval, of one finding. */
const maxWaiting = 10
const idBytes = 10
const openStates: readonly FindingState[] = ['new', 'acknowledged']

/** A change of a finding that the asker may decide on. */
type Change = {
  readonly from: readonly FindingState[]
  readonly to: (row: FindingRow) => FindingDecision
  readonly what: string
  readonly note?: string | undefined
  readonly audit?: Readonly<Record<string, string>>
  /** As who decides saw it; left out where that does not matter. */
  readonly severity?: Severity
}

export class Decisions {
  readonly #parts: DeskParts

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  acknowledge(id: string, asker: Asker): Decided {
    return this.#change(id, asker, {
      from: ['new'],
      to: row => ({
        ...row,
        state: 'acknowledged',
        assignee: row.assignee ?? keyOf(asker),
        assigneeName: row.assigneeName ?? nameOf(asker),
      }),
      what: 'acknowledged',
    })
  }

  async assign(id: string, to: string, asker: Asker): Decided {
    const found = await this.#assignee(to, asker)
    if (!found.ok) return found
    const { key, name } = found.value
    return this.#change(id, asker, {
      from: openStates,
      to: row => {
        if (key === `${row.issuer}\n${row.subject}`) throw new OwnFinding()
        return { ...row, assignee: key, assigneeName: name }
      },
      what: name === undefined ? 'assigned to nobody' : `assigned to ${name}`,
    })
  }

  async close(id: string, { reason, rationale }: Closing, asker: Asker): Decided {
    return this.#close(id, asker, { reason, rationale })
  }

  async verdict(id: string, { verdict, rationale }: VerdictOn, asker: Asker): Decided {
    const checked = checkText(rationale, 'the rationale')
    if (!checked.ok) return checked
    if (verdict !== 'escalate') {
      const reason = verdict === 'expected' ? 'benign-expected' : 'explained'
      return this.#close(id, asker, { reason, rationale, verdict })
    }
    return this.#change(id, asker, {
      from: openStates,
      to: row => ({ ...row, state: 'acknowledged' }),
      what: 'escalated',
      note: checked.value,
      audit: { rationale: checked.value },
    })
  }

  reopen(id: string, rationale: string, asker: Asker): Decided {
    const checked = checkText(rationale, 'the rationale')
    if (!checked.ok) return Promise.resolve(checked)
    return this.#change(id, asker, {
      from: ['closed'],
      to: row => ({
        ...row,
        state: 'acknowledged',
        closedAtMs: undefined,
        closeReason: undefined,
        proposal: undefined,
      }),
      what: 'reopened',
      note: checked.value,
      audit: { rationale: checked.value },
    })
  }

  async suppress(id: string, { scope, untilMs, rationale }: Suppressing, asker: Asker): Decided {
    const row = await this.#row(id, asker)
    if (!row.ok) return row
    const checked = checkText(rationale, 'the rationale')
    if (!checked.ok) return checked
    const { store, clock, audit } = this.#parts
    const nowMs = clock.nowMs()
    if (!(untilMs > nowMs)) return refused('invalid', 'Say until when: an instant that is still to come.')
    if (untilMs > nowMs + maxSuppressMs)
      return refused('invalid', 'Nothing is suppressed for longer than a year. Choose an earlier instant.')
    const { group, issuer, subject, target, severity, rules } = row.value
    const whyNot = unsuppressible(row.value) ?? this.#notAlone(row.value)
    if (whyNot !== undefined) return refused('not-allowed', whyNot)
    const isOfPerson = scope === 'rule-person'
    const own = (await store.suppressions(nowMs)).filter(({ owner }) => owner === keyOf(asker))
    const targets = scope === 'rule-target' ? [target] : reviewedBy(this.#parts, row.value, asker)
    if (own.length + targets.length > maxSuppressions)
      return refused('conflict', 'You own as many suppressions as one person may. Wait until some are over.')
    audit.append({
      kind: 'finding-suppressed',
      finding: id,
      group,
      scope,
      until: new Date(untilMs).toISOString(),
      rationale: checked.value,
      by: nameOf(asker),
      byKey: keyOf(asker),
    })
    const suppression: Omit<SuppressionRow, 'id' | 'target'> = {
      scope,
      group,
      issuer: isOfPerson ? issuer : undefined,
      subject: isOfPerson ? subject : undefined,
      severity,
      rules,
      untilMs,
      owner: keyOf(asker),
      ownerName: nameOf(asker),
      rationale: checked.value,
      createdAtMs: nowMs,
      liftedAtMs: undefined,
    }
    for (const one of targets) await store.suppress({ ...suppression, id: newId(), target: one })
    await this.#note(row.value, asker, `suppressed (${scope}) until ${day(untilMs)}`, checked.value)
    return this.#seen(id, asker)
  }

  async lift(id: string, rationale: string, asker: Asker): Decided {
    const row = await this.#row(id, asker)
    if (!row.ok) return row
    const checked = checkText(rationale, 'the rationale')
    if (!checked.ok) return checked
    const { store, clock, audit } = this.#parts
    const covering = await suppressionsOf(this.#parts, row.value)
    if (covering.length === 0) return refused('conflict', 'Nothing suppresses this finding, or no more.')
    const wider = covering.find(one => !this.#mayLift(one, asker))
    if (wider !== undefined)
      return refused(
        'not-allowed',
        `This suppression also covers targets that you do not review. ${wider.ownerName}, who owns it, can lift it.`,
      )
    for (const { scope, group, ownerName } of covering)
      audit.append({
        kind: 'finding-unsuppressed',
        finding: id,
        group,
        scope,
        owner: ownerName,
        rationale: checked.value,
        by: nameOf(asker),
        byKey: keyOf(asker),
      })
    await store.liftSuppressions(
      covering.map(one => one.id),
      clock.nowMs(),
    )
    return this.#change(id, asker, {
      from: [...openStates, 'closed'],
      to: before =>
        before.place === 'suppressed' ? { ...before, place: 'queue', placeReason: undefined } : before,
      what: 'suppression lifted',
      note: checked.value,
    })
  }

  /** Whoever owns it, and whoever reviews all that it covers. */
  #mayLift({ owner, target }: SuppressionRow, asker: Asker): boolean {
    if (owner === keyOf(asker) || target !== undefined) return true
    return this.#parts
      .config()
      .targets.every(one => reviewsTarget(this.#parts, asker, one.name, one.protocol))
  }

  async snooze(id: string, untilMs: number, asker: Asker): Decided {
    const row = await this.#row(id, asker)
    if (!row.ok) return row
    const nowMs = this.#parts.clock.nowMs()
    if (!(untilMs > nowMs && untilMs <= nowMs + maxSnoozeMs))
      return refused('invalid', 'A finding is put off for two weeks at most. Choose an instant until then.')
    if (row.value.group === emergencyRule)
      return refused('not-allowed', 'Every use of emergency access is reviewed soon, so none is put off.')
    const until = `${new Date(untilMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
    return this.#change(id, asker, {
      from: openStates,
      to: before => ({ ...before, snoozedUntilMs: untilMs }),
      what: `snoozed until ${until}`,
    })
  }

  async unmask(id: string, wish: { caseId: string; reason: string }, asker: Asker): Decided {
    const row = await this.#row(id, asker)
    if (!row.ok) return row
    const { store, clock, audit, config } = this.#parts
    if (config().analysis.pseudonyms === undefined)
      return refused('conflict', 'Names are not hidden here, so there is nothing to show.')
    const caseId = checkText(wish.caseId, 'the case')
    const reason = checkText(wish.reason, 'the reason')
    if (!caseId.ok) return caseId
    if (!reason.ok) return reason
    const waiting = (await store.unmaskingsOf(id)).filter(one => one.decidedAtMs === undefined)
    if (waiting.some(one => one.askedBy === keyOf(asker)))
      return refused('conflict', 'Your request waits for somebody else’s approval already.')
    if (waiting.length >= maxWaiting)
      return refused('conflict', `${maxWaiting} requests for this name wait already.`)
    const request = newId()
    audit.append({
      kind: 'name-asked',
      finding: id,
      request,
      case: caseId.value,
      reason: reason.value,
      by: nameOf(asker),
      byKey: keyOf(asker),
    })
    await store.askUnmask({
      id: request,
      finding: id,
      caseId: caseId.value,
      reason: reason.value,
      askedBy: keyOf(asker),
      askedByName: nameOf(asker),
      askedAtMs: clock.nowMs(),
      decidedBy: undefined,
      decidedByName: undefined,
      decidedAtMs: undefined,
      untilMs: undefined,
    })
    await this.#note(row.value, asker, `asked for the name (case ${caseId.value})`, reason.value)
    return this.#seen(id, asker)
  }

  async decideUnmask(requestId: string, isApproved: boolean, asker: Asker): Decided {
    const { store, clock, audit, config } = this.#parts
    const request = await store.unmasking(requestId)
    const row = request === undefined ? undefined : await store.get(request.finding)
    const { pseudonyms } = config().analysis
    if (request === undefined || row === undefined || pseudonyms === undefined) return noFinding
    if (!mayApprove(this.#parts, row, request, asker)) return this.#notApprover(row, request, asker)
    const nowMs = clock.nowMs()
    const untilMs = isApproved ? nowMs + pseudonyms.forMs : undefined
    audit.append({
      kind: 'name-decided',
      finding: row.id,
      request: requestId,
      case: request.caseId,
      approved: isApproved,
      ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
      by: nameOf(asker),
      byKey: keyOf(asker),
    })
    if (!(await store.decideUnmask(requestId, keyOf(asker), nameOf(asker), nowMs, untilMs)))
      return changedMeanwhile
    const what = isApproved ? 'allowed the name to be shown' : 'did not allow the name to be shown'
    await this.#note(row, asker, `${what} (case ${request.caseId})`, undefined)
    return { ok: true, value: await inFull(this.#parts, row, asker) }
  }

  /** Where closing takes two, the like of it is not hidden by one who has not closed it with another. */
  #notAlone({ severity, state }: FindingRow): string | undefined {
    const { fourEyes } = this.#parts.config().analysis
    if (fourEyes === undefined || state === 'closed' || !isAtLeast(severity, fourEyes)) return undefined
    return 'Closing this finding takes two people, and so does hiding others like it. Close it first.'
  }

  #notApprover(row: FindingRow, request: UnmaskRow, asker: Asker): Answer<FindingInFull> {
    if (isConcerned(row, asker)) return noFinding
    if (request.askedBy === keyOf(asker))
      return refused('not-allowed', 'Somebody else has to approve what you asked for.')
    return refused('not-allowed', 'Policy names others who approve that names are shown.')
  }

  async #close(
    id: string,
    asker: Asker,
    { reason, rationale, verdict }: { reason: string; rationale: string; verdict?: string },
  ): Decided {
    const row = await this.#row(id, asker)
    if (!row.ok) return row
    const checked = checkText(rationale, 'the rationale')
    if (!checked.ok) return checked
    const { fourEyes } = this.#parts.config().analysis
    const takesTwo = fourEyes !== undefined && isAtLeast(row.value.severity, fourEyes)
    const proposal = proposalOf(row.value)
    if (takesTwo && proposal === undefined)
      return this.#propose(id, asker, { reason, rationale: checked.value, verdict })
    if (takesTwo && proposal !== undefined && !isSecond(proposal, asker))
      return refused('not-allowed', 'Closing this finding takes two people, and you were the first.')
    const closed = await this.#change(id, asker, {
      from: openStates,
      severity: row.value.severity,
      to: before => ({
        ...before,
        state: 'closed',
        closedAtMs: this.#parts.clock.nowMs(),
        closeReason: reason,
        proposal: undefined,
      }),
      what: `closed as ${reason}`,
      note: checked.value,
      audit: {
        reason,
        rationale: checked.value,
        ...(proposal === undefined ? {} : { proposedBy: proposal.byName }),
      },
    })
    if (closed.ok && reason === 'benign-expected') this.#parts.profiles?.teach(row.value.session)
    return closed
  }

  #propose(
    id: string,
    asker: Asker,
    { reason, rationale, verdict }: { reason: string; rationale: string; verdict: string | undefined },
  ): Decided {
    const proposal: Proposal = {
      by: keyOf(asker),
      byName: nameOf(asker),
      reason,
      rationale,
      ...(verdict === undefined ? {} : { verdict }),
    }
    return this.#change(id, asker, {
      from: openStates,
      to: row => ({ ...row, state: 'acknowledged', proposal: JSON.stringify(proposal) }),
      what: `wants to close it as ${reason}; somebody else has to agree`,
      note: rationale,
      audit: { reason, rationale },
    })
  }

  async #assignee(
    to: string,
    asker: Asker,
  ): Promise<Answer<{ key: string | undefined; name: string | undefined }>> {
    if (to === 'nobody') return { ok: true, value: { key: undefined, name: undefined } }
    if (to === 'me' || to === nameOf(asker))
      return { ok: true, value: { key: keyOf(asker), name: nameOf(asker) } }
    const [key, ...others] = await this.#parts.store.reviewersNamed(to)
    if (key !== undefined && others.length === 0) return { ok: true, value: { key, name: to } }
    return refused(
      'invalid',
      'Nobody of that name has had to do with findings yet. They can take it themselves.',
    )
  }

  async #change(id: string, asker: Asker, { from, to, what, note, audit, severity }: Change): Decided {
    const row = await this.#row(id, asker)
    if (!row.ok) return row
    const before = row.value
    if (!from.includes(before.state))
      return refused(
        'conflict',
        `This finding is ${before.state}, so it cannot be ${what.split(' ')[0]} now.`,
      )
    const next = decisionOrRefusal(to, { ...before, snoozedUntilMs: undefined }) // whoever decides is awake
    if (next === undefined) return refused('not-allowed', 'Nobody decides on findings about themselves.')
    this.#parts.audit.append({
      kind: 'finding-decided',
      finding: id,
      session: before.session,
      what,
      ...audit,
      by: nameOf(asker),
      byKey: keyOf(asker),
    })
    const event = this.#event(before, asker, what, note)
    const isDone = await this.#parts.store.decide(
      id,
      {
        states: [before.state],
        proposal: before.proposal,
        ...(severity === undefined ? {} : { severity }),
      },
      next,
      event,
    )
    return isDone ? this.#seen(id, asker) : changedMeanwhile
  }

  /** One that the asker may see and is not about them. */
  async #row(id: string, asker: Asker): Promise<Answer<FindingRow>> {
    const row = await this.#parts.store.get(id)
    if (row === undefined || isConcerned(row, asker) || !maySee(this.#parts, row, asker)) return noFinding
    return { ok: true, value: row }
  }

  async #seen(id: string, asker: Asker): Decided {
    const row = await this.#row(id, asker)
    return row.ok ? { ok: true, value: await inFull(this.#parts, row.value, asker) } : row
  }

  async #note(row: FindingRow, asker: Asker, what: string, note: string | undefined): Promise<void> {
    await this.#parts.store.note(this.#event(row, asker, what, note))
  }

  #event(row: FindingRow, asker: Asker, what: string, note: string | undefined) {
    return {
      finding: row.id,
      atMs: this.#parts.clock.nowMs(),
      by: keyOf(asker),
      byName: nameOf(asker),
      what,
      note,
    }
  }
}

/** Somebody would have to look at what is about themselves. */
class OwnFinding extends Error {}

function decisionOrRefusal(to: Change['to'], row: FindingRow): FindingDecision | undefined {
  try {
    return to(row)
  } catch (thrown) {
    if (thrown instanceof OwnFinding) return undefined
    throw thrown
  }
}

/** Another person than the first. Who only opened the admin socket is nobody in particular: one of the two has signed in. */
function isSecond({ by }: Proposal, asker: Asker): boolean {
  return keyOf(asker) !== by && !(asker.kind === 'local' && by.startsWith('local '))
}

/** Targets that a suppression of this asker covers: those that they review. `undefined` stands for all, those to come too. */
function reviewedBy(parts: DeskParts, { target }: FindingRow, asker: Asker): readonly (string | undefined)[] {
  const { targets } = parts.config()
  const seen = targets.filter(({ name, protocol }) => reviewsTarget(parts, asker, name, protocol))
  return seen.length === targets.length
    ? [undefined]
    : [...new Set([target, ...seen.map(({ name }) => name)])]
}

/** Why nobody may stop findings like it from being shown, if so. */
function unsuppressible({ kind, group }: FindingRow): string | undefined {
  if (kind === 'sample') return 'The random sample cannot be suppressed: it would not be random any more.'
  if (kind === 'integrity')
    return 'What is wrong with recordings and logs cannot be suppressed. Close it once you know why.'
  if (group === emergencyRule) return 'Every use of emergency access is reviewed, so none is suppressed.'
  return undefined
}

export function newId(): string {
  return randomBytes(idBytes).toString('hex')
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
