/** The statements in the order in which they ran, one line each. */
import { rowsShown } from '../../../../src/recorder/sql-tag.ts'
import type { Statement } from './statement.ts'
import { withMarks } from '../../parts/hidden-text.ts'
import { Line } from '../../parts/hidden.tsx'
import { SeverityShape, worstOf } from '../../parts/severity.tsx'
import type { Column } from '../../parts/table.tsx'
import { duration, offsetOf, textOf, ZoneName } from '../../parts/time.tsx'
import { VirtualTable } from '../../parts/virtual.tsx'
import { NewBadge } from '../../session/new-badge.tsx'
import { settingOf } from '../../settings.ts'
import { lookOf } from './look.ts'
import { LookName } from './shape.tsx'
import { outcomeOf } from './statement.ts'

const rowHeight = 46
const narrowRowHeight = 112

export function StatementRows({
  statements,
  current,
  onCurrent,
}: {
  statements: readonly Statement[]
  current: number
  onCurrent: (index: number) => void
}) {
  return (
    <VirtualTable
      class="sql-rows"
      label="Statements"
      columns={columns}
      rows={statements}
      rowKey={({ number }) => number}
      rowHeight={rowHeight}
      narrowRowHeight={narrowRowHeight}
      rowClass={statement => outcomeOf(statement)}
      total={statements.length}
      current={current}
      onCurrent={onCurrent}
    />
  )
}

const columns: readonly Column<Statement>[] = [
  {
    key: 'at',
    head: <ZoneName />,
    class: 'time at',
    cell: ({ atMs, offsetMs }) => (
      <time
        dateTime={new Date(atMs).toISOString()}
        title={`${textOf(atMs, settingOf('zone'), true)}, ${offsetOf(offsetMs)} in`}
      >
        {textOf(atMs, settingOf('zone')).slice(11, 19)}
      </time>
    ),
  },
  {
    key: 'took',
    head: 'Took',
    class: 'took',
    cell: ({ durationMs }) => (durationMs === undefined ? '' : took(durationMs)),
  },
  { key: 'class', head: 'Class', class: 'class', cell: statement => <LookName is={lookOf(statement)} /> },
  {
    key: 'text',
    head: 'Statement',
    class: 'mono statement-text',
    cell: ({ text }) => <Line text={text.trim().replaceAll(/\s+/g, ' ')} max={400} />,
  },
  {
    key: 'tables',
    head: 'Tables',
    class: 'tables',
    cell: ({ tables }) => (
      <span title={withMarks(tables.join(', '))}>
        <Line text={tables.join(', ')} max={200} />
      </span>
    ),
  },
  {
    key: 'rows',
    head: 'Rows',
    class: 'number rows-count',
    cell: statement => <RowCount statement={statement} />,
  },
  {
    key: 'bytes',
    head: 'Bytes',
    class: 'number bytes',
    cell: ({ bytes }) => (bytes === undefined ? '' : size(bytes)),
  },
  { key: 'state', head: 'State', class: 'state-of', cell: statement => <State statement={statement} /> },
  {
    key: 'transaction',
    head: <abbr title="Transaction">Tx</abbr>,
    class: 'transaction',
    cell: ({ transaction }) => (transaction === undefined ? '' : `tx ${transaction}`),
  },
]

function State({ statement }: { statement: Statement }) {
  const { sqlstate, usage, hits } = statement
  const outcome = outcomeOf(statement)
  const worst = worstOf(hits.map(({ severity }) => severity))
  return (
    <span class="sql-state">
      {worst === undefined ? null : (
        <span title={withMarks(hits.map(({ rule }) => rule).join(', '))}>
          <SeverityShape is={worst} />
          <span class="unseen">{worst} rule</span>
        </span>
      )}
      {statement.isRunning ? <span class="badge">running</span> : null}
      {outcome === 'done' ? null : <span class="bad">{outcome === 'error' ? sqlstate : outcome}</span>}
      <NewBadge usage={usage} />
    </span>
  )
}

/** One number, as psql shows it; what it is made of where it is both. */
function RowCount({ statement }: { statement: Statement }) {
  const { rows, affected } = statement
  const shown = rowsShown(statement)
  if (shown === undefined) return null
  const said = [
    ...(rows === undefined ? [] : [`${rows.toLocaleString('en')} returned`]),
    ...(affected === undefined ? [] : [`${affected.toLocaleString('en')} affected`]),
  ]
  return <span title={said.join(', ')}>{shown.toLocaleString('en')}</span>
}

export function took(ms: number): string {
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))} µs`
  return ms < 100 ? `${ms.toFixed(1)} ms` : duration(ms)
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}
