/** The decisions to remove recordings that an audit log holds, by the hash that their tombstones have. */
import { statSync } from 'node:fs'
import { decodeLine } from '../../audit/line.ts'
import { linesOf, segmentsIn } from '../../audit/segments.ts'
import { type Decision, decisionHash, readDecision } from './decision.ts'

const mark = Buffer.from('"purge-decided"')

/** Reads a folder or a file of an audit log, which is verified elsewhere. What it cannot read is left out. */
export function decisionsIn(path: string): ReadonlyMap<string, Decision> {
  const decisions = new Map<string, Decision>()
  const files = statSync(path).isDirectory() ? segmentsIn(path) : [path]
  for (const file of files) {
    for (const { bytes, isWhole } of linesOf(file)) {
      if (!isWhole || !bytes.includes(mark)) continue
      const line = decodeLine(bytes)
      if (typeof line === 'string' || line.kind !== 'purge-decided') continue
      const text = String(line['decision'])
      const decision = readDecision(text)
      if (decision !== undefined) decisions.set(decisionHash(text), decision)
    }
  }
  return decisions
}
