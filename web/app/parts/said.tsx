/** What happened, said politely at the bottom of the page. Only what may vanish is said here. */
import { useEffect, useState } from 'preact/hooks'
import { Line } from './hidden.tsx'

/** Long enough to be read. Milliseconds. */
const shownMs = 6000
const listeners = new Set<(text: string) => void>()

export function say(text: string): void {
  for (const listen of listeners) listen(text)
}

export function Said() {
  const [text, setText] = useState('')
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const listen = (said: string): void => {
      setText(said)
      clearTimeout(timer)
      timer = setTimeout(() => setText(''), shownMs)
    }
    listeners.add(listen)
    return () => {
      listeners.delete(listen)
      clearTimeout(timer)
    }
  }, [])
  return (
    <p class="said" role="status" aria-live="polite">
      {text === '' ? null : <Line text={text} />}
    </p>
  )
}
