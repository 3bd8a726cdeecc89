/** `--past-damage` of the commands that read recordings. */
import { Fault } from '../errors.ts'
import type { FormatProblem } from '../recorder/format.ts'
import { type Gap, nextGoodFrame } from '../recorder/next-good.ts'

/** What is missing has to be said where the export itself cannot. */
export function tellGap({ record, offset, reason, nextOffset }: Gap): void {
  const next =
    nextOffset === undefined ? 'nothing behind it can be read' : `reading goes on at byte ${nextOffset}`
  process.stderr.write(`sallyport: record ${record} at byte ${offset} cannot be read (${reason}); ${next}\n`)
  process.exitCode = 1
}

/** What was written before stands; whoever reads the sentence knows where the rest is. */
export function withNextGood(file: string, problem: FormatProblem): Fault {
  const next = nextGoodFrame(file, problem.offset + 1)
  const more =
    next === undefined
      ? 'Nothing behind it can be read.'
      : `From byte ${next} on it can be read again: --past-damage.`
  return new Fault('RECORDING_FORMAT', `${problem.userText} ${more}`, { cause: problem })
}
