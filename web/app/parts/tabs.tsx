/** Tabs as WAI-ARIA has them: arrows move between them, and the panel follows. */
import type { ComponentChildren } from 'preact'
import { useId, useRef } from 'preact/hooks'

export type Tab = {
  readonly key: string
  readonly name: string
  /** Said behind the name. */
  readonly count?: number | undefined
  readonly panel: () => ComponentChildren
}

/** `selected` is the key of one; any other is the first. */
export function Tabs({
  label,
  tabs,
  selected,
  onSelect,
}: {
  label: string
  tabs: readonly Tab[]
  selected: string | undefined
  onSelect: (key: string) => void
}) {
  const id = useId()
  const list = useRef<HTMLDivElement>(null)
  const at = Math.max(
    0,
    tabs.findIndex(tab => tab.key === selected),
  )
  const keys = (event: KeyboardEvent): void => {
    const to = next(event.key, at, tabs.length)
    const tab = to === undefined ? undefined : tabs[to]
    if (to === undefined || tab === undefined) return
    event.preventDefault()
    event.stopPropagation()
    onSelect(tab.key)
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[to]?.focus()
  }
  return (
    <div class="tabs">
      <div role="tablist" aria-label={label} ref={list} onKeyDown={keys}>
        {tabs.map((tab, index) => (
          <button
            type="button"
            key={tab.key}
            role="tab"
            id={`${id}-${tab.key}`}
            aria-selected={index === at}
            aria-controls={`${id}-panel`}
            tabIndex={index === at ? 0 : -1}
            onClick={() => onSelect(tab.key)}
          >
            {tab.name}
            {tab.count === undefined ? null : <span class="count">{tab.count}</span>}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${tabs[at]?.key ?? ''}`}>
        {tabs[at]?.panel()}
      </div>
    </div>
  )
}

function next(key: string, at: number, count: number): number | undefined {
  if (key === 'ArrowRight') return (at + 1) % count
  if (key === 'ArrowLeft') return (at + count - 1) % count
  if (key === 'Home') return 0
  return key === 'End' ? count - 1 : undefined
}
