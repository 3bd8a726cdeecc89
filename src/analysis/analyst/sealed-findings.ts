/** What is told of a session whose recording is encrypted: which rule, when, and which entry. What that entry said is for the recording's readers alone. */
import type { EntryHit } from '../entry.ts'
import type { FindingDraft } from '../findings/finding.ts'

/** Stands where a quote would. */
export const quoteIsSealed = 'The quote is in the encrypted recording.'

/** In findings of such sessions. */
export const sealedQuality =
  'The recording is encrypted: its readers see what each entry says. Rules looked at it while it was written; if the gateway stopped meanwhile, at what came before.'

/** Of a session that was looked at, once that is over. */
export const lookedAt =
  'Sealed to auditors: rules were evaluated while it was written. Nothing that is derived of it is kept in the clear.'
export const notLookedAt = 'Sealed to auditors: nothing that is derived of it is kept in the clear.'
export const lookedAtInPart =
  'Sealed to auditors: it ended before all of it was looked at, so rules may have missed something.'
export const interrupted =
  'Sealed to auditors: the gateway or its analysis stopped while it was written. What came after was not looked at.'

export function withoutQuotes(hits: readonly EntryHit[]): readonly EntryHit[] {
  return hits.map(hit => ({ ...hit, quote: quoteIsSealed }))
}

/** Whatever an observer wrote. */
export function sealedDraft(draft: FindingDraft): FindingDraft {
  const { body } = draft
  const quotes = body.quotes.map(({ entry, offsetMs }) => ({ entry, offsetMs, text: quoteIsSealed }))
  return { ...draft, body: { ...body, quotes, quality: [...body.quality, sealedQuality] } }
}
