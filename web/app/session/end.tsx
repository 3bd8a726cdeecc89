/** Ending somebody's session: never by one key, always with a reason that they and the audit log get. */
import { useState } from 'preact/hooks'
import type { EndWish, SessionSummary } from '../../../src/api/schema.ts'
import { post } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Line } from '../parts/hidden.tsx'
import { say } from '../parts/said.tsx'

/** `onClose` hears whether it was ended. */
export function EndDialog({
  session,
  onClose,
}: {
  session: Pick<SessionSummary, 'id' | 'principal' | 'target' | 'login'>
  onClose: (isDone: boolean) => void
}) {
  const [reason, setReason] = useState('')
  const [isSure, setSure] = useState(false)
  const [problem, setProblem] = useState('')
  const end = async (event: Event): Promise<void> => {
    event.preventDefault()
    try {
      const wish: EndWish = { reason: reason.trim() }
      await post(`/sessions/${session.id}/end`, wish)
      say('The session was ended.')
      onClose(true)
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
  }
  return (
    <Dialog title="End this session" onClose={() => onClose(false)}>
      <form onSubmit={event => void end(event)}>
        <p>
          <Line text={session.principal} /> works on <Line text={`${session.login}@${session.target}`} />{' '}
          right now. The connection is cut at once; what runs there may go on or stop half-way.
        </p>
        <label class="field">
          Reason (shown to the person, kept in the audit log)
          <input
            type="text"
            required
            maxLength={200}
            value={reason}
            onInput={event => setReason(event.currentTarget.value)}
          />
        </label>
        <p>
          <label class="tick">
            <input
              type="checkbox"
              checked={isSure}
              onChange={event => setSure(event.currentTarget.checked)}
            />
            End it now
          </label>
        </p>
        {problem === '' ? null : (
          <p class="bad" role="alert">
            <Line text={problem} />
          </p>
        )}
        <button type="submit" class="button danger first" disabled={!isSure || reason.trim() === ''}>
          End session
        </button>
      </form>
    </Dialog>
  )
}
