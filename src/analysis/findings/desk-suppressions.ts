/** Findings that reviewers want to see no more of for a while, and want to see again. */
import type { FindingRow, FindingState, SuppressionRow } from '../../model.ts'
import { emergencyRule } from '../../policy/reaction.ts'
import type { Asker, Suppressing } from './desk.ts'
import type { Changes, Decided } from './desk-changes.ts'
import { checkText, type DeskParts, keyOf, nameOf, refused, reviewsTarget } from './desk-parts.ts'
import { isAtLeast, newId } from './finding.ts'
import { suppressionsOf } from './suppression.ts'

/** A suppression is looked at again after a while; nobody can hide a rule for ever. */
const maxSuppressMs = 366 * 86_400_000
/** Suppressions in force of one person: each finding is compared with all of them. */
const maxSuppressions = 2000
const states: readonly FindingState[] = ['new', 'acknowledged', 'closed']

type Refusal = ReturnType<typeof refused>

export class SuppressionDesk {
  readonly #parts: DeskParts
  readonly #changes: Changes

  constructor(parts: DeskParts, changes: Changes) {
    this.#parts = parts
    this.#changes = changes
  }

  async suppress(id: string, wish: Suppressing, asker: Asker): Decided {
    const row = await this.#changes.row(id, asker)
    if (!row.ok) return row
    const checked = checkText(wish.rationale, 'the rationale')
    if (!checked.ok) return checked
    const rationale = checked.value
    const { scope, untilMs } = wish
    const { store, clock, audit } = this.#parts
    const nowMs = clock.nowMs()
    const whyNot = tooLong(untilMs, nowMs) ?? unsuppressible(row.value) ?? this.#notAlone(row.value)
    if (whyNot !== undefined) return whyNot
    const targets = scope === 'rule-target' ? [row.value.target] : reviewedBy(this.#parts, row.value, asker)
    const own = (await store.suppressions(nowMs)).filter(({ owner }) => owner === keyOf(asker))
    if (own.length + targets.length > maxSuppressions)
      return refused('conflict', 'You own as many suppressions as one person may. Wait until some are over.')
    audit.append({
      kind: 'finding-suppressed',
      finding: id,
      group: row.value.group,
      scope,
      until: new Date(untilMs).toISOString(),
      rationale,
      by: nameOf(asker),
      byKey: keyOf(asker),
    })
    const suppression = suppressionOf(row.value, { ...wish, rationale }, asker, nowMs)
    for (const target of targets) await store.suppress({ ...suppression, id: newId(), target })
    await this.#changes.note(row.value, asker, `suppressed (${scope}) until ${day(untilMs)}`, rationale)
    return this.#changes.seen(id, asker)
  }

  async lift(id: string, rationale: string, asker: Asker): Decided {
    const row = await this.#changes.row(id, asker)
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
    return this.#changes.change(id, asker, {
      from: states,
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

  /** Where closing takes two, the like of it is not hidden by one who has not closed it with another. */
  #notAlone({ severity, state }: FindingRow): Refusal | undefined {
    const { fourEyes } = this.#parts.config().analysis
    if (fourEyes === undefined || state === 'closed' || !isAtLeast(severity, fourEyes)) return undefined
    return refused(
      'not-allowed',
      'Closing this finding takes two people, and so does hiding others like it. Close it first.',
    )
  }
}

/** Targets that a suppression of this asker covers: those that they review. `undefined` stands for all, those to come too. */
function reviewedBy(parts: DeskParts, { target }: FindingRow, asker: Asker): readonly (string | undefined)[] {
  const { targets } = parts.config()
  const seen = targets.filter(({ name, protocol }) => reviewsTarget(parts, asker, name, protocol))
  return seen.length === targets.length
    ? [undefined]
    : [...new Set([target, ...seen.map(({ name }) => name)])]
}

function suppressionOf(
  { group, issuer, subject, severity, rules }: FindingRow,
  { scope, untilMs, rationale }: Suppressing,
  asker: Asker,
  createdAtMs: number,
): Omit<SuppressionRow, 'id' | 'target'> {
  const isOfPerson = scope === 'rule-person'
  return {
    scope,
    group,
    issuer: isOfPerson ? issuer : undefined,
    subject: isOfPerson ? subject : undefined,
    severity,
    rules,
    untilMs,
    owner: keyOf(asker),
    ownerName: nameOf(asker),
    rationale,
    createdAtMs,
    liftedAtMs: undefined,
  }
}

function tooLong(untilMs: number, nowMs: number): Refusal | undefined {
  if (!(untilMs > nowMs)) return refused('invalid', 'Say until when: an instant that is still to come.')
  return untilMs > nowMs + maxSuppressMs
    ? refused('invalid', 'Nothing is suppressed for longer than a year. Choose an earlier instant.')
    : undefined
}

/** Why nobody may stop findings like it from being shown, if so. */
function unsuppressible({ kind, group }: FindingRow): Refusal | undefined {
  const never = (why: string) => refused('not-allowed', why)
  if (kind === 'sample')
    return never('The random sample cannot be suppressed: it would not be random any more.')
  if (kind === 'integrity')
    return never('What is wrong with recordings and logs cannot be suppressed. Close it once you know why.')
  if (group === emergencyRule)
    return never('Every use of emergency access is reviewed, so none is suppressed.')
  return undefined
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
