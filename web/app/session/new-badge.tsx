/** Marks what is new for somebody, or somewhere. Nothing for what is not. */
import type { EntryUsage } from '../../../src/api/schema.ts'
import { newsOf, usageText } from './usage.ts'

export function NewBadge({ usage }: { usage: EntryUsage | undefined }) {
  const news = usage === undefined ? undefined : newsOf(usage)
  if (usage === undefined || news === undefined) return null
  return (
    <span class="badge warn" title={usageText(usage)}>
      new<span class="unseen">{news.slice(3)}</span>
    </span>
  )
}
