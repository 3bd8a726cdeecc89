/** One command with all of its text, to read, to select and to copy: rows of the list have room for its ends alone. */
import type { EntryView } from '../../../src/api/schema.ts'
import { Copy } from '../parts/copy.tsx'
import { Line, Lines } from '../parts/hidden.tsx'
import { Severity, worstOf } from '../parts/severity.tsx'
import { offsetOf } from '../parts/time.tsx'
import { decodedOf, factsOf } from './command-facts.ts'

export function WholeCommand({ entry }: { entry: EntryView | undefined }) {
  if (entry === undefined) return <p class="quiet small whole-command">No command was run by this moment.</p>
  const worst = worstOf(entry.hits.map(({ severity }) => severity))
  return (
    <div class="whole-command" role="group" aria-label="The whole command">
      <p class="row-of small">
        <span class="number quiet">{offsetOf(entry.offsetMs)}</span>
        {worst === undefined ? null : (
          <span>
            <Severity is={worst} /> <Line text={entry.hits.map(({ rule }) => rule).join(', ')} />
          </span>
        )}
        <span class="push">
          <Copy text={entry.text} label="Copy command" name="all of it" />
        </span>
      </p>
      <pre tabIndex={0} role="group" aria-label={`The command at ${offsetOf(entry.offsetMs)}`}>
        <Lines text={entry.text} />
      </pre>
      {decodedOf(entry).map((text, index) => (
        <div key={index}>
          <p class="small">decoded:</p>
          <pre tabIndex={0} role="group" aria-label={`What is encoded in it, ${index + 1}`}>
            <Lines text={text} />
          </pre>
        </div>
      ))}
      <p class="small">
        <Line text={factsOf(entry)} />
      </p>
    </div>
  )
}
