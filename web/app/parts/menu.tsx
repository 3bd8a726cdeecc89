/** A button that opens a list of things to do: arrows move, Escape closes and gives the focus back. */
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks'

export type MenuItem = { readonly name: string } & (
  | { readonly onSelect: () => void }
  /** Leads to a download. */
  | { readonly href: string }
)

export function MenuButton({
  label,
  items,
  name,
  class: look = 'icon',
  tabIndex,
}: {
  /** What stands on the button. */
  label: string
  items: readonly MenuItem[]
  /** What the button is for, if its label does not say it. */
  name?: string
  class?: string
  tabIndex?: number
}) {
  const [isOpen, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const id = useId()
  const close = (): void => {
    setOpen(false)
    button.current?.focus()
  }
  return (
    <span class="menu">
      <button
        type="button"
        class={look}
        ref={button}
        tabIndex={tabIndex}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        aria-label={name}
        onClick={event => {
          event.stopPropagation()
          setOpen(!isOpen)
        }}
      >
        {label}
      </button>
      {isOpen ? <Items id={id} items={items} under={button.current} onClose={close} /> : null}
    </span>
  )
}

function Items({
  id,
  items,
  under,
  onClose,
}: {
  id: string
  items: readonly MenuItem[]
  under: HTMLElement | null
  onClose: () => void
}) {
  const list = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    place(list.current, under)
    list.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
  }, [])
  useEffect(() => {
    const outside = (event: Event): void => {
      if (
        !(
          event.target instanceof Node &&
          (list.current?.contains(event.target) || under?.contains(event.target))
        )
      )
        onClose()
    }
    addEventListener('pointerdown', outside)
    addEventListener('resize', onClose)
    return () => {
      removeEventListener('pointerdown', outside)
      removeEventListener('resize', onClose)
    }
  }, [])
  const keys = (event: KeyboardEvent): void => {
    event.stopPropagation()
    if (event.key === 'Tab') return onClose()
    if (event.key !== 'Escape' && event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    event.preventDefault()
    if (event.key === 'Escape') return onClose()
    const all = [...(list.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    all[(at + (event.key === 'ArrowDown' ? 1 : all.length - 1)) % all.length]?.focus()
  }
  return (
    <div role="menu" id={id} ref={list} onKeyDown={keys}>
      {items.map(item =>
        'href' in item ? (
          <a key={item.name} role="menuitem" tabIndex={-1} href={item.href} download onClick={onClose}>
            {item.name}
          </a>
        ) : (
          <button
            type="button"
            key={item.name}
            role="menuitem"
            tabIndex={-1}
            onClick={event => {
              event.stopPropagation()
              onClose()
              item.onSelect()
            }}
          >
            {item.name}
          </button>
        ),
      )}
    </div>
  )
}

/** Under the button, within the window, and over whatever cuts off what is in it. */
function place(list: HTMLElement | null, under: HTMLElement | null): void {
  if (list === null || under === null) return
  const at = under.getBoundingClientRect()
  const { offsetWidth: width, offsetHeight: height } = list
  list.style.left = `${Math.max(4, Math.min(at.left, innerWidth - width - 8))}px`
  const below = at.bottom + 4
  list.style.top = `${below + height > innerHeight ? Math.max(4, at.top - height - 4) : below}px`
}
