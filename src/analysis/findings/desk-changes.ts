/** How findings change: who may decide is asked, the audit log has it before the store, and the history afterwards. */
import type { FindingRow, FindingState } from '../../model.ts'
import type { FindingDecision } from '../../store/store.ts'
import type { Answer, Asker, FindingInFull } from './desk.ts'
import {
  changedMeanwhile,
  type DeskParts,
  isConcerned,
  keyOf,
  maySee,
  nameOf,
  noFinding,
  refused,
} from './desk-parts.ts'
import { inFull } from './desk-views.ts'

/** The finding as it is then, or why not. */
export type Decided = Promise<Answer<FindingInFull>>

/** A change of a finding that the asker may decide on. */
export type Change = {
  readonly from: readonly FindingState[]
  readonly to: (row: FindingRow) => FindingDecision
  readonly what: string
  readonly note?: string | undefined
  readonly audit?: Readonly<Record<string, string>>
  /** As it was when it was asked whether they may; left out where that does not matter. */
  readonly seen?: Pick<FindingRow, 'severity' | 'proposal'>
}

export class Changes {
  readonly #parts: DeskParts

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  async change(id: string, asker: Asker, { from, to, what, note, audit, seen }: Change): Decided {
    const row = await this.row(id, asker)
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
      { states: [before.state], proposal: before.proposal, ...seen },
      next,
      event,
    )
    return isDone ? this.seen(id, asker) : changedMeanwhile
  }

  /** One that the asker may see and is not about them. */
  async row(id: string, asker: Asker): Promise<Answer<FindingRow>> {
    const row = await this.#parts.store.get(id)
    if (row === undefined || isConcerned(row, asker) || !maySee(this.#parts, row, asker)) return noFinding
    return { ok: true, value: row }
  }

  /** As the asker sees it now. */
  async seen(id: string, asker: Asker): Decided {
    const row = await this.row(id, asker)
    return row.ok ? { ok: true, value: await inFull(this.#parts, row.value, asker) } : row
  }

  /** In the history of the finding, and nothing else. */
  async note(row: FindingRow, asker: Asker, what: string, note: string | undefined): Promise<void> {
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
export class OwnFinding extends Error {}

function decisionOrRefusal(to: Change['to'], row: FindingRow): FindingDecision | undefined {
  try {
    return to(row)
  } catch (thrown) {
    if (thrown instanceof OwnFinding) return undefined
    throw thrown
  }
}
