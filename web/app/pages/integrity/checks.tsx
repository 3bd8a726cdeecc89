/** What was verified, what failed, and what nobody looked at: each with its word and its shape. */
import { Line } from '../../parts/hidden.tsx'
import type { Check, CheckState } from './recording.ts'

const looks: Readonly<
  Record<CheckState, { readonly word: string; readonly look: string; readonly sign: string }>
> = {
  verified: { word: 'Verified', look: 'good', sign: '✓' },
  failed: { word: 'Failed', look: 'bad', sign: '✗' },
  'not-checked': { word: 'Not checked', look: 'quiet', sign: '○' },
}

export function CheckBadge({ state }: { state: CheckState }) {
  const { word, look, sign } = looks[state]
  return (
    <span class={`badge ${look}`}>
      <span aria-hidden="true">{sign}</span> {word}
    </span>
  )
}

export function Checks({ all, label }: { all: readonly Check[]; label: string }) {
  return (
    <ul class="checks" aria-label={label}>
      {all.map(({ name, state, says }) => (
        <li key={`${name} ${says}`}>
          <CheckBadge state={state} />
          <span>
            <strong>{name}.</strong> <Line text={says} />
          </span>
        </li>
      ))}
    </ul>
  )
}
