/** A table of few rows. For many there is VirtualTable. */
import type { ComponentChildren } from 'preact'

export type Column<T> = {
  readonly key: string
  readonly head: ComponentChildren
  readonly cell: (row: T) => ComponentChildren
  /** A track of the grid of a VirtualTable: `8rem`, `minmax(10rem, 1fr)`. */
  readonly width?: string
  readonly class?: string
}

/** `label` is said, not shown. The first column is the head of its row. On narrow pages rows become blocks. */
export function Table<T>({
  label,
  columns,
  rows,
  rowKey,
}: {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  rowKey: (row: T) => string | number
}) {
  return (
    <div class="table">
      <table>
        <caption class="unseen">{label}</caption>
        <thead>
          <tr>
            {columns.map(column => (
              <th key={column.key} scope="col" class={column.class}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(row => (
            <tr key={rowKey(row)}>{columns.map((column, index) => cellOf(column, row, index))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function cellOf<T>(column: Column<T>, row: T, index: number) {
  const label = typeof column.head === 'string' ? column.head : undefined
  const content = column.cell(row)
  return index === 0 ? (
    <th key={column.key} scope="row" class={column.class} data-label={label}>
      {content}
    </th>
  ) : (
    <td key={column.key} class={column.class} data-label={label}>
      {content}
    </td>
  )
}
