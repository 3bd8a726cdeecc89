/** Says of a list that not all of it is here, and why: nothing that is not in it is known not to have been. */
import { Failed } from '../parts/states.tsx'
import { type Entries, maxEntries } from './entries.ts'

export function Missing({ of: { error, retry, isCut, items }, what }: { of: Entries; what: string }) {
  if (error !== undefined)
    return (
      <>
        <Failed error={error} retry={retry} />
        {items.length === 0 ? null : <p class="note warn">These are not all {what}.</p>}
      </>
    )
  if (isCut !== true) return null
  return (
    <p class="note warn">
      The first {maxEntries.toLocaleString('en')} {what} are shown. Download the session for all of them.
    </p>
  )
}
