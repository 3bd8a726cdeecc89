/** The decisions to remove recordings that an audit log holds, by the hash that their tombstones have. */
import { statSync } from 'node:fs'
import { decodeLine } from '../../audit/line.ts'
import { firstSequenceOf, linesOf, segmentsIn } from '../../audit/segments.ts'
import { type Decision, decisionHash, readDecision } from './decision.ts'

const mark = Buffer.from('"purge-decided"')

export type Decisions = {
  readonly byHash: ReadonlyMap<string, Decision>
  /** The log begins with its first line: what is not here, nobody has decided. */
  readonly isWhole: boolean
}

/** Reads a folder or a file of an audit log, which is verified elsewhere. What it cannot read is left out. */
export function decisionsIn(path: string): Decisions {
  const files = statSync(path).isDirectory() ? segmentsIn(path) : [path]
  return { byHash: byHash(files), isWhole: firstSequenceOf(files[0] ?? '') === 1 }
}

function byHash(files: readonly string[]): ReadonlyMap<string, Decision> {
  const decisions = new Map<string, Decision>()
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
