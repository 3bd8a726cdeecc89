/** How usual a command or a statement is, in words. */
import type { EntryUsage } from '../../../src/api/schema.ts'
import { hasHidden } from '../parts/hidden-text.ts'

/** Undefined where nothing is new. */
export function newsOf({ isNewForPerson, isNewForTarget }: EntryUsage): string | undefined {
  if (isNewForPerson) return isNewForTarget ? 'new for this person and target' : 'new for this person'
  return isNewForTarget ? 'new on this target' : undefined
}

export function isNew(usage: EntryUsage | undefined): boolean {
  return usage !== undefined && newsOf(usage) !== undefined
}

/** What there is room for in a list. */
export function usageWords(usage: EntryUsage): string {
  const news = newsOf(usage)
  if (news !== undefined) return `${programOf(usage)}${news}`
  return `${usage.everybody === undefined ? ownText(usage) : everybodyText(usage.everybody)} in 30 days`
}

/** All of it, without a full stop. Five people at least, or they are not counted out (docs/privacy.md). */
export function usageText(usage: EntryUsage): string {
  const { everybody, isUncounted = false, isNewForPerson } = usage
  const few = isUncounted ? 'not counted' : 'by fewer than five people'
  const all = everybody === undefined ? few : everybodyText(everybody)
  const own = isNewForPerson ? undefined : ownText(usage) // what is new was none before
  const parts = [newsOf(usage), own, `${all} in all`].filter(part => part !== undefined)
  return `${programOf(usage)}${parts.join('; ')}, in 30 days`
}

/** A name that would not show is not told: the command itself shows it. */
function programOf({ program }: EntryUsage): string {
  return program === undefined || hasHidden(program) ? '' : `${program}: `
}

function ownText({ ownTimes }: EntryUsage): string {
  return `${timesOf(ownTimes)} by this person`
}

function everybodyText({ times, people, isLowerBound }: NonNullable<EntryUsage['everybody']>): string {
  const least = isLowerBound ? 'at least ' : ''
  return `${least}${timesOf(times)} by ${least}${people} people`
}

function timesOf(times: number): string {
  return times === 1 ? 'once' : `${times.toLocaleString('en')} times`
}
