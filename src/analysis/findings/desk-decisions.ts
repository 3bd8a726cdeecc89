/** What reviewers decide on findings. Each decision names who, why and what it was before, in the history and in the audit log. */
import type { FindingState } from '../../model.ts'
import { emergencyRule } from '../../policy/reaction.ts'
import type { Answer, Asker, Closing, VerdictOn } from './desk.ts'
import { type Changes, type Decided, OwnFinding } from './desk-changes.ts'
import { checkText, type DeskParts, keyOf, nameOf, refused } from './desk-parts.ts'
import { isMasked, type Proposal, proposalOf } from './desk-views.ts'
import { isAtLeast } from './finding.ts'

/** Nobody puts a finding off for longer: what can wait for weeks can be closed. */
const maxSnoozeMs = 14 * 86_400_000
const openStates: readonly FindingState[] = ['new', 'acknowledged']

/** Whom it cannot be given to would tell whose it is. */
const whileHidden =
  'While the name is hidden, findings are taken and not given: ask them to take it, or ask for the name.'

export class Decisions {
  readonly #parts: DeskParts
  readonly #changes: Changes

  constructor(parts: DeskParts, changes: Changes) {
    this.#parts = parts
    this.#changes = changes
  }

  acknowledge(id: string, asker: Asker): Decided {
    return this.#changes.change(id, asker, {
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
    if (key !== undefined && key !== keyOf(asker) && (await this.#isHidden(id, asker)))
      return refused('not-allowed', whileHidden)
    return this.#changes.change(id, asker, {
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
    return this.#changes.change(id, asker, {
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
    return this.#changes.change(id, asker, {
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

  async snooze(id: string, untilMs: number, asker: Asker): Decided {
    const row = await this.#changes.row(id, asker)
    if (!row.ok) return row
    const nowMs = this.#parts.clock.nowMs()
    if (!(untilMs > nowMs && untilMs <= nowMs + maxSnoozeMs))
      return refused('invalid', 'A finding is put off for two weeks at most. Choose an instant until then.')
    if (row.value.group === emergencyRule)
      return refused('not-allowed', 'Every use of emergency access is reviewed soon, so none is put off.')
    const until = `${new Date(untilMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
    return this.#changes.change(id, asker, {
      from: openStates,
      to: before => ({ ...before, snoozedUntilMs: untilMs }),
      what: `snoozed until ${until}`,
    })
  }

  async #close(
    id: string,
    asker: Asker,
    { reason, rationale, verdict }: { reason: string; rationale: string; verdict?: string },
  ): Decided {
    const row = await this.#changes.row(id, asker)
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
    const closed = await this.#changes.change(id, asker, {
      from: openStates,
      seen: { severity: row.value.severity, proposal: row.value.proposal },
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
    return this.#changes.change(id, asker, {
      from: openStates,
      to: row => ({ ...row, state: 'acknowledged', proposal: JSON.stringify(proposal) }),
      what: `wants to close it as ${reason}; somebody else has to agree`,
      note: rationale,
      audit: { reason, rationale },
    })
  }

  async #isHidden(id: string, asker: Asker): Promise<boolean> {
    const row = await this.#changes.row(id, asker)
    return row.ok && isMasked(this.#parts, row.value, asker)
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
}

/** Another person than the first. Who only opened the admin socket is nobody in particular: one of the two has signed in. */
function isSecond({ by }: Proposal, asker: Asker): boolean {
  return keyOf(asker) !== by && !(asker.kind === 'local' && by.startsWith('local '))
}
