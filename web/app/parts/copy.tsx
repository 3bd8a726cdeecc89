import { useState } from 'preact/hooks'
import { say } from './said.tsx'

/** Copies a text and says that it did. `text` may be made when it is wanted. */
export function Copy({
  text,
  label,
  name,
  class: look = 'button small',
}: {
  text: string | (() => string)
  /** What stands on the button. */
  label: string
  /** What is copied, for those who hear it: "the link". */
  name?: string
  class?: string
}) {
  const [isDone, setDone] = useState(false)
  const copy = async (): Promise<void> => {
    if (!(await copyText(typeof text === 'string' ? text : text(), name ?? label))) return
    setDone(true)
    setTimeout(() => setDone(false), 2000)
  }
  return (
    <button
      type="button"
      class={look}
      aria-label={name === undefined ? undefined : `${isDone ? 'Copied' : label}: ${name}`}
      onClick={() => void copy()}
    >
      {isDone ? 'Copied' : label}
    </button>
  )
}

/** Resolves to whether the browser allowed it; says either. */
export async function copyText(text: string, name: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    say(`Copied: ${name}`)
    return true
  } catch {
    say('Your browser does not let this page copy. Select the text and copy it yourself.')
    return false
  }
}
