/** What people say about a session, each at its moment if it has one. */
import { useState } from 'preact/hooks'
import type { Comment, CommentWish, Page } from '../../../src/api/schema.ts'
import { post, usePages } from '../api.ts'
import { Line, Lines } from '../parts/hidden.tsx'
import { say } from '../parts/said.tsx'
import { Failed, Loading } from '../parts/states.tsx'
import { offsetOf, Time } from '../parts/time.tsx'
import { Problem } from '../parts/problem.tsx'
import './parts.css'

/** As the gateway bounds it. */
const maxComment = 4000

/**
 * `offsetMs` is where the reader is now: a comment may belong there. `onSeek` goes to the moment of one.
 * `inputId` lets a key of the page bring the focus here.
 */
export function CommentsPart({
  session,
  offsetMs,
  onSeek,
  inputId,
}: {
  session: string
  offsetMs: number | undefined
  onSeek: (offsetMs: number) => void
  inputId?: string
}) {
  const found = usePages<Comment, Page<Comment>>(`/sessions/${session}/comments`)
  return (
    <div class="comments-part">
      {found.error === undefined ? null : <Failed error={found.error} retry={found.reload} />}
      {found.items.length === 0 && !found.isOver && found.error === undefined ? (
        <Loading what="Fetching comments" />
      ) : null}
      {found.items.length === 0 && found.isOver ? <p class="quiet">Nobody has said anything yet.</p> : null}
      <ol class="comments">
        {found.items.map(comment => (
          <One key={comment.id} comment={comment} onSeek={onSeek} />
        ))}
      </ol>
      {found.isOver || found.items.length === 0 ? null : (
        <button type="button" class="button small" onClick={found.more} disabled={found.isFetching}>
          More
        </button>
      )}
      <Write session={session} offsetMs={offsetMs} inputId={inputId} onDone={found.reload} />
    </div>
  )
}

function One({ comment, onSeek }: { comment: Comment; onSeek: (offsetMs: number) => void }) {
  const { by, atMs, offsetMs, text } = comment
  return (
    <li>
      <p class="quiet small">
        <Line text={by} /> · <Time ms={atMs} />
        {offsetMs === undefined ? null : (
          <>
            {' '}
            <button type="button" class="plain" onClick={() => onSeek(offsetMs)}>
              at {offsetOf(offsetMs)}
            </button>
          </>
        )}
      </p>
      <pre class="said-text">
        <Lines text={text} />
      </pre>
    </li>
  )
}

function Write({
  session,
  offsetMs: nowMs,
  inputId,
  onDone,
}: {
  session: string
  offsetMs: number | undefined
  inputId: string | undefined
  onDone: () => void
}) {
  const [text, setText] = useState('')
  /** Where the reader was when they began to write: a recording may play on. */
  const [begunMs, setBegun] = useState<number>()
  const [isHere, setHere] = useState(true)
  const [problem, setProblem] = useState('')
  const offsetMs = text === '' ? nowMs : begunMs
  const type = (typed: string): void => {
    if (text === '') setBegun(nowMs)
    setText(typed)
  }
  const send = async (): Promise<void> => {
    const place = isHere && offsetMs !== undefined ? { offsetMs: Math.round(offsetMs) } : {}
    const wish: CommentWish = { text: text.trim(), ...place }
    try {
      await post(`/sessions/${session}/comments`, wish)
      setText('')
      setProblem('')
      say('Your comment is kept.')
      onDone()
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
  }
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        if (text.trim() !== '') void send()
      }}
    >
      <label class="field">
        Comment
        <textarea
          id={inputId}
          maxLength={maxComment}
          value={text}
          onInput={event => type(event.currentTarget.value)}
        />
      </label>
      <Problem text={problem} />
      <div class="row-of">
        <button type="submit" class="button" disabled={text.trim() === ''}>
          Comment
        </button>
        {offsetMs === undefined ? null : (
          <label class="tick">
            <input
              type="checkbox"
              checked={isHere}
              onChange={event => setHere(event.currentTarget.checked)}
            />
            at {offsetOf(offsetMs)}
          </label>
        )}
      </div>
    </form>
  )
}
