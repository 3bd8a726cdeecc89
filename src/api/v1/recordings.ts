/** Recordings as the routes need them: a file for as long as something reads it, or why there is none. */
import { purgedText } from '../../recorder/retention/view.ts'
import type { SessionRow } from '../../model.ts'
import type { ApiParts } from './deps.ts'
import { Refused } from './route.ts'

/** Runs `work` with the path of the recording, which stays where it is meanwhile. Of one that was removed it says so (410). */
export async function withRecording<T>(
  parts: ApiParts,
  row: SessionRow,
  work: (path: string) => Promise<T>,
): Promise<T | Refused> {
  const held = await holdRecording(parts, row)
  if (held instanceof Refused) return held
  try {
    return await work(held.path)
  } finally {
    held.release()
  }
}

/** The same for those who go on reading when the answer has begun: they release it. */
export async function holdRecording(
  parts: ApiParts,
  row: SessionRow,
): Promise<{ readonly path: string; readonly release: () => void } | Refused> {
  const [kept] = await parts.kept([row])
  if (kept?.purged !== undefined)
    return new Refused({ status: 410, title: 'Removed', detail: purgedText(kept.purged) })
  return await parts.recordings.fetch(row.recording)
}
