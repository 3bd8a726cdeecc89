/** The screen as plain text: to read aloud, to select, to copy. What hides in it is marked. */
import { useEffect, useState } from 'preact/hooks'
import { Copy } from '../parts/copy.tsx'
import { hasHidden } from '../parts/hidden-text.ts'
import { Lines } from '../parts/hidden.tsx'
import type { Snapshot } from './player.ts'
import type { Screen } from './screen.ts'

/** While open and playing, the text is taken anew so often. Milliseconds. */
const everyMs = 500

export function Transcript({ screen, at }: { screen: Screen; at: Snapshot }) {
  const [isOpen, setOpen] = useState(false)
  const [text, setText] = useState('')
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const take = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined
        setText(screen.text())
      }, everyMs)
    }
    setText(screen.text())
    const stop = screen.onShown(take)
    return () => {
      clearTimeout(timer)
      stop()
    }
  }, [screen, isOpen, at.state])
  const hides = hasHidden(text)
  return (
    <>
      {hides || screen.hasConcealed ? (
        <p class="note warn" role="note">
          {hides
            ? 'This screen holds characters that do not show, or that reorder others. Each has a double line under it, and is named in the transcript. '
            : ''}
          {screen.hasConcealed ? 'Text was concealed here: it is drawn inverted with a wavy line.' : ''}
        </p>
      ) : null}
      <details class="transcript" onToggle={event => setOpen(event.currentTarget.open)}>
        <summary>Transcript of this screen</summary>
        {isOpen ? (
          <>
            <p class="row-of">
              <Copy text={() => screen.text()} label="Copy screen" name="the screen as text" />
            </p>
            <pre tabIndex={0} role="group" aria-label="Text of the screen">
              <Lines text={text === '' ? '(the screen is empty)' : text} />
            </pre>
          </>
        ) : null}
      </details>
    </>
  )
}
