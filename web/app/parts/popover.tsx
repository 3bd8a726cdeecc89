/** A button with a small form under it. Escape and a press elsewhere close it; the focus goes back. */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'

export function Popover({
  label,
  class: look,
  children,
}: {
  label: ComponentChildren
  class: string
  /** Gets what closes it. */
  children: (close: () => void) => ComponentChildren
}) {
  const [isOpen, setOpen] = useState(false)
  const box = useRef<HTMLSpanElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const id = useId()
  const close = (): void => {
    setOpen(false)
    button.current?.focus()
  }
  useEffect(() => {
    if (!isOpen) return
    box.current?.querySelector<HTMLElement>('.popover :is(input, select, button)')?.focus()
    const outside = (event: Event): void => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) setOpen(false)
    }
    addEventListener('pointerdown', outside)
    return () => removeEventListener('pointerdown', outside)
  }, [isOpen])
  const keys = (event: KeyboardEvent): void => {
    if (!isOpen || event.key !== 'Escape') return
    event.stopPropagation()
    close()
  }
  return (
    <span class="with-popover" ref={box} onKeyDown={keys}>
      <button
        type="button"
        class={look}
        ref={button}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {label}
      </button>
      {isOpen ? (
        <div class="popover" id={id}>
          {children(close)}
        </div>
      ) : null}
    </span>
  )
}
