/** Sessions whose recordings are in a bucket, as audit logs say. */
import { statSync } from 'node:fs'
import { decodeLine } from '../../audit/line.ts'
import { linesOf, segmentsIn } from '../../audit/segments.ts'

const mark = Buffer.from('"recording-stored"')

/** Reads folders and files of audit logs, which are verified elsewhere. What it cannot read is left out. */
export function storedAsToldBy(audits: readonly string[]): ReadonlySet<string> {
  const sessions = new Set<string>()
  for (const file of audits.flatMap(path => (statSync(path).isDirectory() ? segmentsIn(path) : [path])))
    for (const { bytes, isWhole } of linesOf(file)) {
      if (!isWhole || !bytes.includes(mark)) continue
      const line = decodeLine(bytes)
      if (typeof line !== 'string' && line.kind === 'recording-stored') sessions.add(String(line['session']))
    }
  return sessions
}
