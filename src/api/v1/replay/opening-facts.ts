/** What a recording tells of how its session came to be. */
import { FormatProblem } from '../../../recorder/format.ts'
import { readRecording } from '../../../recorder/reader.ts'
import type { SessionFact } from '../../schema.ts'
import { openingFactsIn } from './opening-words.ts'

/** Nothing of an encrypted recording, or of one whose first events cannot be read. */
export function openingFacts(file: string): readonly SessionFact[] {
  const reader = readRecording(file)
  if (reader.header.encryption !== null) {
    reader.close()
    return []
  }
  const facts: SessionFact[] = []
  try {
    for (const fact of openingFactsIn(reader.events())) facts.push(fact)
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
  } finally {
    reader.close()
  }
  return facts
}
