/** What can be done with several sessions at once. */
import type { SessionSummary } from '../../../src/api/schema.ts'
import { AssignTo } from './assign.tsx'
import { csvOf, download } from './csv.ts'

export function Bulk({
  chosen,
  onReview,
  onAssigned,
  onClear,
}: {
  chosen: readonly SessionSummary[]
  onReview: (ids: readonly string[]) => void
  onAssigned: () => void
  onClear: () => void
}) {
  if (chosen.length === 0) return null
  return (
    <div class="bulk note row-of" role="group" aria-label="Selected sessions">
      <strong>{chosen.length} selected</strong>
      <button type="button" class="button small" onClick={() => onReview(chosen.map(({ id }) => id))}>
        Review
      </button>
      <AssignTo ids={chosen.map(({ id }) => id)} onDone={onAssigned} />
      <button type="button" class="button small" onClick={() => download('sessions.csv', csvOf(chosen))}>
        Export list
      </button>
      <button type="button" class="plain" onClick={onClear}>
        Select none
      </button>
    </div>
  )
}
