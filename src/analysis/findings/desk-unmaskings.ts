/** Names behind pseudonyms: shown for a while when one person asked and another approved. */
import type { FindingRow, UnmaskRow } from '../../model.ts'
import type { Answer, Asker, FindingInFull } from './desk.ts'
import type { Changes, Decided } from './desk-changes.ts'
import {
  changedMeanwhile,
  checkText,
  type DeskParts,
  isConcerned,
  keyOf,
  nameOf,
  noFinding,
  refused,
} from './desk-parts.ts'
import { inFull, mayApprove } from './desk-views.ts'
import { newId } from './finding.ts'

/** Requests for names that wait for approval, of one finding. */
const maxWaiting = 10

export class UnmaskingDesk {
  readonly #parts: DeskParts
  readonly #changes: Changes

  constructor(parts: DeskParts, changes: Changes) {
    this.#parts = parts
    this.#changes = changes
  }

  async ask(id: string, wish: { caseId: string; reason: string }, asker: Asker): Decided {
    const row = await this.#changes.row(id, asker)
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
    await this.#changes.note(row.value, asker, `asked for the name (case ${caseId.value})`, reason.value)
    return this.#changes.seen(id, asker)
  }

  async decide(requestId: string, isApproved: boolean, asker: Asker): Decided {
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
    await this.#changes.note(row, asker, `${what} (case ${request.caseId})`, undefined)
    return { ok: true, value: await inFull(this.#parts, row, asker) }
  }

  #notApprover(row: FindingRow, request: UnmaskRow, asker: Asker): Answer<FindingInFull> {
    if (isConcerned(row, asker)) return noFinding
    if (request.askedBy === keyOf(asker))
      return refused('not-allowed', 'Somebody else has to approve what you asked for.')
    return refused('not-allowed', 'Policy names others who approve that names are shown.')
  }
}
