/** What a reviewer says about a session: a word and why. None is chosen beforehand: saying nothing is not agreeing. */
import { useState } from 'preact/hooks'
import type { SessionDetail, Verdict, VerdictWish, VerdictWord } from '../../../src/api/schema.ts'
import { post } from '../api.ts'
import { Line } from '../parts/hidden.tsx'
import { Problem } from '../parts/problem.tsx'
import { say } from '../parts/said.tsx'
import { Time } from '../parts/time.tsx'

const words: readonly { word: VerdictWord; name: string; says: string }[] = [
  { word: 'expected', name: 'Expected', says: 'What was done is what this access is for.' },
  { word: 'explained', name: 'Explained', says: 'It was unusual, and somebody has explained it.' },
  { word: 'escalate', name: 'Escalate', says: 'Somebody else has to look at it.' },
]

export function VerdictPart({ detail, reload }: { detail: SessionDetail; reload: () => void }) {
  return (
    <section class="card verdicts" aria-labelledby="verdict-head">
      <h2 id="verdict-head">Review</h2>
      <Verdicts verdicts={detail.verdicts} />
      {detail.verdictsNeeded > 1 ? (
        <p class="quiet">
          The policy wants {detail.verdictsNeeded} people to look at this session; {detail.reviewedBy.length}{' '}
          have.
        </p>
      ) : null}
      {detail.reviewRefusal === undefined ? (
        <VerdictForm sessions={[detail.id]} onDone={reload} />
      ) : (
        <p class="note" role="note">
          You give no verdict here: <Line text={detail.reviewRefusal} />
        </p>
      )}
    </section>
  )
}

function Verdicts({ verdicts }: { verdicts: readonly Verdict[] }) {
  if (verdicts.length === 0) return <p class="quiet">Nobody has reviewed this session yet.</p>
  return (
    <ul class="verdict-list">
      {verdicts.map(({ by, atMs, verdict, rationale }) => (
        <li key={`${by} ${atMs}`}>
          <strong>{words.find(({ word }) => word === verdict)?.name ?? verdict}</strong> · <Line text={by} />{' '}
          · <Time ms={atMs} />
          {rationale === '' ? null : (
            <p>
              <Line text={rationale} />
            </p>
          )}
        </li>
      ))}
    </ul>
  )
}

/** For one session or several at once, with one rationale. Tells for each that fails why. */
export function VerdictForm({ sessions, onDone }: { sessions: readonly string[]; onDone: () => void }) {
  const [word, setWord] = useState<VerdictWord>()
  const [rationale, setRationale] = useState('')
  const [problems, setProblems] = useState<readonly string[]>([])
  const [isBusy, setBusy] = useState(false)
  const isWhole = word !== undefined && rationale.trim() !== ''
  const send = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (word === undefined) return
    setBusy(true)
    const failed = await giveVerdict(sessions, { verdict: word, rationale: rationale.trim() })
    setBusy(false)
    setProblems(failed)
    if (failed.length > 0) return
    say(
      sessions.length === 1
        ? 'Your verdict is kept.'
        : `Your verdict is kept for ${sessions.length} sessions.`,
    )
    onDone()
  }
  return (
    <form class="verdict-form" onSubmit={event => void send(event)}>
      <fieldset>
        <legend>Verdict</legend>
        {words.map(({ word: value, name, says }) => (
          <p key={value}>
            <label class="tick">
              <input
                type="radio"
                name="verdict"
                value={value}
                checked={word === value}
                onChange={() => setWord(value)}
              />
              <span>
                <strong>{name}</strong> <span class="quiet">{says}</span>
              </span>
            </label>
          </p>
        ))}
      </fieldset>
      <label class="field">
        Why
        <textarea
          maxLength={4000}
          required
          value={rationale}
          onInput={event => setRationale(event.currentTarget.value)}
        />
      </label>
      {problems.map(problem => (
        <Problem key={problem} text={problem} />
      ))}
      <button type="submit" class="button first" disabled={!isWhole || isBusy}>
        Give verdict
      </button>
    </form>
  )
}

/** Why it was refused, for each session where it was. One after the other: the audit log gets them in order. */
async function giveVerdict(sessions: readonly string[], wish: VerdictWish): Promise<readonly string[]> {
  const problems = new Set<string>()
  for (const session of sessions) {
    try {
      await post(`/sessions/${session}/verdict`, wish)
    } catch (thrown) {
      problems.add((thrown as Error).message)
    }
  }
  return [...problems]
}
