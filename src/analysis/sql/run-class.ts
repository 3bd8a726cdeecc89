/** What a text does when it runs: a PREPARE runs nothing, an EXECUTE what was prepared. For readers; policy judges what is written. */
import type { StatementClass, StatementFacts } from '../../model.ts'
import { graver } from './statement-words.ts'

export type KnownFacts = Pick<StatementFacts, 'class' | 'kinds' | 'statements'>

/**
 * `runs`: of what an EXECUTE or a portal really runs, if it is known. `isNamed`: the client ran it by a name; one that SQL prepared is told
 * with the text of its PREPARE.
 */
export function classThatRuns(
  facts: KnownFacts,
  { runs, isNamed }: { readonly runs?: KnownFacts | undefined; readonly isNamed: boolean },
): StatementClass {
  const [first] = facts.kinds
  const isOne = facts.statements === 1
  if (isOne && first === 'prepare' && !isNamed) return 'session'
  if (runs === undefined) return facts.class
  return isOne && first === 'execute' && facts.class === 'call' ? runs.class : graver(facts.class, runs.class)
}
