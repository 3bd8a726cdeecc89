/** Pausing somebody's session, letting it go on, and ending it: never by one key, always with a reason that the audit log gets. */
import { useEffect, useState } from 'preact/hooks'
import type { EndWish, SessionSummary } from '../../../src/api/schema.ts'
import { post } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Line } from '../parts/hidden.tsx'
import type { MenuItem } from '../parts/menu.tsx'
import { say } from '../parts/said.tsx'
import { Time } from '../parts/time.tsx'
import { Problem } from '../parts/problem.tsx'

export type LiveAct = 'pause' | 'resume' | 'end'
type Live = Pick<SessionSummary, 'id' | 'principal' | 'target' | 'login'>

/** How often a session that waits is asked about: somebody else may let it go on, or its wait be over. Milliseconds. */
const refreshMs = 5000

const acts: Readonly<
  Record<
    LiveAct,
    {
      readonly title: string
      readonly what: string
      readonly label: string
      readonly sure?: string
      readonly button: string
      readonly done: string
    }
  >
> = {
  pause: {
    title: 'Pause this session',
    what: 'Nothing that they send goes on from now; what runs there goes on. After ten minutes the session ends, unless somebody lets it go on.',
    label: 'Reason (shown to the person, kept in the audit log)',
    button: 'Pause session',
    done: 'The session is paused.',
  },
  resume: {
    title: 'Let this session go on',
    what: 'What they have sent meanwhile goes on first.',
    label: 'Reason (kept in the audit log)',
    button: 'Let it go on',
    done: 'The session goes on.',
  },
  end: {
    title: 'End this session',
    what: 'The connection is cut at once; what runs there may go on or stop half-way.',
    label: 'Reason (shown to the person, kept in the audit log)',
    sure: 'End it now',
    button: 'End session',
    done: 'The session was ended.',
  },
}

/** `onClose` hears whether it was done. */
export function LiveDialog({
  act,
  session,
  onClose,
}: {
  act: LiveAct
  session: Live
  onClose: (isDone: boolean) => void
}) {
  const { title, what, label, sure, button, done } = acts[act]
  const [reason, setReason] = useState('')
  const [isSure, setSure] = useState(sure === undefined)
  const [problem, setProblem] = useState('')
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    try {
      const wish: EndWish = { reason: reason.trim() }
      await post(`/sessions/${session.id}/${act}`, wish)
      say(done)
      onClose(true)
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
  }
  return (
    <Dialog title={title} onClose={() => onClose(false)}>
      <form onSubmit={event => void submit(event)}>
        <p>
          <Line text={session.principal} /> works on <Line text={`${session.login}@${session.target}`} />{' '}
          right now. {what}
        </p>
        <label class="field">
          {label}
          <input
            type="text"
            required
            maxLength={200}
            value={reason}
            onInput={event => setReason(event.currentTarget.value)}
          />
        </label>
        {sure === undefined ? null : (
          <p>
            <label class="tick">
              <input
                type="checkbox"
                checked={isSure}
                onChange={event => setSure(event.currentTarget.checked)}
              />
              {sure}
            </label>
          </p>
        )}
        <Problem text={problem} />
        <button
          type="submit"
          class={`button first ${act === 'end' ? 'danger' : ''}`}
          disabled={!isSure || reason.trim() === ''}
        >
          {button}
        </button>
      </form>
    </Dialog>
  )
}

/** `onClose` hears whether it was ended. */
export function EndDialog(about: { session: Live; onClose: (isDone: boolean) => void }) {
  return <LiveDialog act="end" {...about} />
}

/** What can be done with an open session, for a row of a list. */
export function liveMenu(
  { held }: Pick<SessionSummary, 'held'>,
  choose: (act: LiveAct) => void,
): readonly MenuItem[] {
  return [
    ...(held?.kind === 'pause' ? [] : [{ name: 'Pause…', onSelect: () => choose('pause') }]),
    ...(held === undefined ? [] : [{ name: 'Let it go on…', onSelect: () => choose('resume') }]),
    { name: 'End…', onSelect: () => choose('end') },
  ]
}

/** The same as buttons, on the page of the session, which looks again while it waits. */
export function LiveButtons({
  session,
  onChanged,
}: {
  session: Live & Pick<SessionSummary, 'held'>
  onChanged: () => void
}) {
  const [act, setAct] = useState<LiveAct>()
  const isHeld = session.held !== undefined
  useEffect(() => {
    if (!isHeld) return
    const timer = setInterval(() => document.visibilityState === 'visible' && onChanged(), refreshMs)
    return () => clearInterval(timer)
  }, [isHeld])
  const close = (isDone: boolean): void => {
    setAct(undefined)
    if (isDone) onChanged()
  }
  return (
    <>
      {session.held?.kind === 'pause' ? null : (
        <button type="button" class="button small" onClick={() => setAct('pause')}>
          Pause session
        </button>
      )}
      {isHeld ? (
        <button type="button" class="button small" onClick={() => setAct('resume')}>
          Let it go on
        </button>
      ) : null}
      <button type="button" class="button small danger" onClick={() => setAct('end')}>
        End session
      </button>
      {act === undefined ? null : <LiveDialog act={act} session={session} onClose={close} />}
    </>
  )
}

/** That it waits, for what, and until when. */
export function HeldBadge({ held }: { held: SessionSummary['held'] | undefined }) {
  if (held === undefined) return null
  return (
    <span class="badge warn">
      {held.kind === 'pause' ? 'Paused' : 'Waiting'}
      <span class="unseen">
        {held.kind === 'pause' ? '' : ' for a sign-in'}, ends at <Time ms={held.untilMs} />
      </span>
    </span>
  )
}
