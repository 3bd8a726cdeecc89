/** Lists of any length: only the rows in sight are in the page. All rows have one height. */
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Column } from './table.tsx'

/** Rows above and below what is in sight, so that scrolling finds them there. */
const extraRows = 8
/** Browsers lay nothing out beyond some 17 million pixels. */
const maxHeightPx = 16_000_000

type Window = { readonly first: number; readonly last: number }
type Anchor = { readonly index: number; readonly align: 'nearest' | 'center' }

type VirtualProps = {
  readonly count: number
  readonly rowHeight: number
  readonly render: (index: number) => ComponentChildren
  readonly label: string
  /** The row that has the focus, or would. It is kept in sight when it changes. */
  readonly current?: number | undefined
  readonly follow?: 'nearest' | 'center'
  readonly onNearEnd?: (() => void) | undefined
  readonly onKeyDown?: ((event: KeyboardEvent) => void) | undefined
  readonly class?: string
}

/** The rows that are to be drawn, and what keeps one in sight. For those who draw their own container. */
function useWindow({ count, rowHeight, current, follow = 'nearest', onNearEnd }: VirtualProps) {
  const box = useRef<HTMLDivElement>(null)
  const [{ first, last }, setWindow] = useState<Window>({ first: 0, last: 40 })
  const look = (): void => {
    const element = box.current
    if (element === null) return
    const from = Math.max(0, Math.floor(element.scrollTop / rowHeight) - extraRows)
    const to = Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + extraRows
    setWindow(old => (old.first === from && old.last === to ? old : { first: from, last: to }))
    if (to >= count) onNearEnd?.()
  }
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const observer = new ResizeObserver(look)
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    look()
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [count, rowHeight])
  useLayoutEffect(() => {
    if (current !== undefined && box.current !== null)
      bringIntoSight(box.current, rowHeight, { index: current, align: follow })
  }, [current, follow, rowHeight])
  return { box, first, last: Math.min(count, last) }
}

function bringIntoSight(box: HTMLElement, rowHeight: number, { index, align }: Anchor): void {
  const top = index * rowHeight
  const isIn = top >= box.scrollTop && top + rowHeight <= box.scrollTop + box.clientHeight
  if (isIn) return
  const isAbove = top < box.scrollTop
  const edge = isAbove ? top : top + rowHeight - box.clientHeight
  box.scrollTop = Math.max(0, align === 'center' ? top - box.clientHeight / 2 : edge)
}

function indexes(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first) }, (_, index) => first + index)
}

/** A list; each row is what `render` makes of its number, within an item of the list. */
export function VirtualList(props: VirtualProps) {
  const { count, rowHeight, render, label } = props
  const { box, first, last } = useWindow(props)
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls
    <div
      class={`virtual ${props.class ?? ''}`}
      ref={box}
      tabIndex={0}
      role="group"
      aria-label={label}
      onKeyDown={props.onKeyDown}
    >
      <div role="list" class="rows" style={{ height: `${Math.min(maxHeightPx, count * rowHeight)}px` }}>
        {indexes(first, last).map(index => (
          <div
            key={index}
            role="listitem"
            class="row"
            aria-setsize={count}
            aria-posinset={index + 1}
            style={{ top: `${index * rowHeight}px`, height: `${rowHeight}px` }}
          >
            {render(index)}
          </div>
        ))}
      </div>
    </div>
  )
}

type TableProps<T> = Omit<VirtualProps, 'render' | 'count'> & {
  readonly columns: readonly Column<T>[]
  readonly rows: readonly T[]
  readonly rowKey: (row: T) => string | number
  readonly rowClass?: (row: T) => string
  /** How many rows there are in all, if that is known: -1 otherwise. */
  readonly total: number
  readonly onCurrent: (index: number) => void
  /** Height of a row where columns do not fit beside each other. */
  readonly narrowRowHeight: number
  /** The same where the window is as wide as a telephone. */
  readonly smallRowHeight?: number
}

/** Below these widths rows are blocks of lines. As in style.css. */
const narrow = '(max-width: 60rem)'
const small = '(max-width: 44rem)'

/** A table of any length. Rows take the focus one at a time: arrows move it, `onKeyDown` hears everything first. */
export function VirtualTable<T>(props: TableProps<T>) {
  const [isNarrow, isSmall] = [useMatch(narrow), useMatch(small)]
  const { narrowRowHeight, smallRowHeight = narrowRowHeight } = props
  const rowHeight = isSmall ? smallRowHeight : isNarrow ? narrowRowHeight : props.rowHeight
  const { columns, rows, current = 0 } = props
  const { box, first, last } = useWindow({ ...props, count: rows.length, rowHeight, render: () => null })
  const tracks = columns.map(column => column.width ?? 'minmax(6rem, 1fr)').join(' ')
  useFocusOn(box, current)
  const keys = (event: KeyboardEvent): void => {
    props.onKeyDown?.(event)
    const to =
      event.defaultPrevented || event.target !== rowOf(box.current, current)
        ? undefined
        : moved(event.key, current, rows.length)
    if (to === undefined) return
    event.preventDefault()
    props.onCurrent(to)
  }
  return (
    <div
      class={`virtual-table ${props.class ?? ''}`}
      role="table"
      aria-label={props.label}
      aria-rowcount={props.total}
      style={{ '--tracks': tracks }}
    >
      <div role="rowgroup" class="head">
        <div role="row" class="cells">
          {columns.map(column => (
            <div key={column.key} role="columnheader" class={column.class}>
              {column.head}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" class="virtual" ref={box} onKeyDown={keys}>
        <div
          role="presentation"
          class="rows"
          style={{ height: `${Math.min(maxHeightPx, rows.length * rowHeight)}px` }}
        >
          {indexes(first, Math.min(last, rows.length)).map(index => {
            const row = rows[index] as T
            return (
              <div
                key={props.rowKey(row)}
                role="row"
                class={`row cells ${index === current ? 'current' : ''} ${props.rowClass?.(row) ?? ''}`}
                aria-rowindex={index + 2}
                data-index={index}
                tabIndex={index === current ? 0 : -1}
                onFocusIn={() => index === current || props.onCurrent(index)}
                style={{ top: `${index * rowHeight}px`, height: `${rowHeight}px` }}
              >
                {columns.map(column => (
                  <div
                    key={column.key}
                    role="cell"
                    class={column.class}
                    data-label={typeof column.head === 'string' ? column.head : undefined}
                  >
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}

function rowOf(box: HTMLElement | null, index: number): HTMLElement | null {
  return box?.querySelector<HTMLElement>(`[data-index="${index}"]`) ?? null
}

/** The focus goes with the current row, if the one before had it. */
function useFocusOn(box: { readonly current: HTMLElement | null }, current: number): void {
  useLayoutEffect(() => {
    const had = document.activeElement
    if (!(had instanceof HTMLElement) || box.current === null) return
    if (had.parentElement?.parentElement === box.current && had.dataset['index'] !== undefined)
      rowOf(box.current, current)?.focus({ preventScroll: true })
  }, [current])
}

function moved(key: string, from: number, count: number): number | undefined {
  const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }
  if (key === 'Home') return 0
  if (key === 'End') return count - 1
  const step = steps[key]
  return step === undefined ? undefined : Math.min(count - 1, Math.max(0, from + step))
}

function useMatch(media: string): boolean {
  const [is, set] = useState(() => matchMedia(media).matches)
  useEffect(() => {
    const query = matchMedia(media)
    const listen = (): void => set(query.matches)
    query.addEventListener('change', listen)
    return () => query.removeEventListener('change', listen)
  }, [media])
  return is
}
