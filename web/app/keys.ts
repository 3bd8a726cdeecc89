/** Single letters as commands of a page, for whoever has not switched them off. */
import { useEffect, useRef } from 'preact/hooks'
import { isTyping } from './frame.tsx'
import { useSetting } from './settings.ts'

/** For what goes away with the focus in it. */
export function focusOnMain(): void {
  document.getElementById('main')?.focus({ preventScroll: true })
}

/** What a key does; `event.key` names it. */
export type Commands = Readonly<Record<string, () => void>>

/** Space and Enter press what has the focus; of the fields only boxes to tick come this far. */
function isPressing({ key, target }: KeyboardEvent): boolean {
  return (
    (key === ' ' || key === 'Enter') &&
    target instanceof Element &&
    target.closest('button, a, summary, input, [role=tab]') !== null
  )
}

/** Never while somebody types, answers a dialog, or holds another key down with it. */
export function useKeys(commands: Commands): void {
  const [setting] = useSetting('keys')
  const latest = useRef(commands)
  latest.current = commands
  useEffect(() => {
    if (setting === 'off') return
    const listen = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return
      if (document.querySelector('dialog[open]') !== null) return
      const command = Object.hasOwn(latest.current, event.key) ? latest.current[event.key] : undefined
      if (command === undefined || isPressing(event)) return
      event.preventDefault()
      command()
    }
    addEventListener('keydown', listen)
    return () => removeEventListener('keydown', listen)
  }, [setting])
}
