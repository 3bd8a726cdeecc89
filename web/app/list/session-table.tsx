/** The table of sessions: of any length, filtered from its cells, driven by keys. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { SessionSummary } from '../../../src/api/schema.ts'
import { copyText } from '../parts/copy.tsx'
import { Line } from '../parts/hidden.tsx'
import { MenuButton } from '../parts/menu.tsx'
import { Severity } from '../parts/severity.tsx'
import type { Column } from '../parts/table.tsx'
import { Ago, duration, Time, ZoneName } from '../parts/time.tsx'
import { VirtualTable } from '../parts/virtual.tsx'
import { changeQuery, Link, navigate, useRoute } from '../router.tsx'
import { HeldBadge, type LiveAct, LiveDialog, liveMenu } from '../session/end.tsx'
import { IntegrityBadge } from '../session/head.tsx'
import { type ValueFilter, withValue } from './filters.ts'

const rowHeight = 50
const narrowRowHeight = 148

export function SessionTable({
  rows,
  total,
  chosen,
  onChoose,
  onReview,
  onNearEnd,
  onChanged,
}: {
  rows: readonly SessionSummary[]
  /** -1: nobody knows. */
  total: number
  chosen: ReadonlySet<string>
  onChoose: (id: string, isChosen: boolean) => void
  onReview: (session: SessionSummary) => void
  onNearEnd: () => void
  onChanged: () => void
}) {
  const [at, setAt] = useState(0)
  const [acting, setActing] = useState<{ row: SessionSummary; act: LiveAct }>()
  const current = Math.min(at, Math.max(0, rows.length - 1))
  const keys = (event: KeyboardEvent): void => {
    const row = rows[current]
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey
    if (row === undefined || !isPlain || event.defaultPrevented) return
    const acts: Readonly<Record<string, () => void>> = {
      j: () => setAt(Math.min(rows.length - 1, current + 1)),
      k: () => setAt(Math.max(0, current - 1)),
      o: () => navigate(`/sessions/${row.id}`),
      x: () => onChoose(row.id, !chosen.has(row.id)),
      v: () => onReview(row),
    }
    // Enter on a link or a button of the row is theirs.
    const isOnRow = event.target instanceof HTMLElement && event.target.role === 'row'
    const act = event.key === 'Enter' && isOnRow ? acts['o'] : acts[event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  }
  return (
    <>
      <VirtualTable
        label="Sessions. j and k move, o opens, x selects, v reviews."
        class="sessions"
        columns={columnsOf({ chosen, onChoose, onAct: (row, act) => setActing({ row, act }) })}
        rows={rows}
        rowKey={row => row.id}
        rowClass={row => (row.state === 'open' ? 'live' : '')}
        total={total}
        rowHeight={rowHeight}
        narrowRowHeight={narrowRowHeight}
        current={current}
        onCurrent={setAt}
        onKeyDown={keys}
        onNearEnd={onNearEnd}
      />
      {acting === undefined ? null : (
        <LiveDialog
          act={acting.act}
          session={acting.row}
          onClose={isDone => {
            setActing(undefined)
            if (isDone) onChanged()
          }}
        />
      )}
    </>
  )
}

type Doing = {
  readonly chosen: ReadonlySet<string>
  readonly onChoose: (id: string, isChosen: boolean) => void
  readonly onAct: (session: SessionSummary, act: LiveAct) => void
}

function columnsOf({ chosen, onChoose, onAct }: Doing): readonly Column<SessionSummary>[] {
  return [
    {
      key: 'choose',
      head: <span class="unseen">Selected</span>,
      width: '1.6rem',
      class: 'choose',
      cell: row => (
        <label class="tick">
          <input
            type="checkbox"
            aria-label={`Select ${row.principal} at ${row.target}`}
            checked={chosen.has(row.id)}
            onChange={event => onChoose(row.id, event.currentTarget.checked)}
          />
        </label>
      ),
    },
    {
      key: 'start',
      head: (
        <>
          Start (<ZoneName />)
        </>
      ),
      width: '11.1rem',
      cell: row => (
        <>
          <Link to={`/sessions/${row.id}`}>
            <Time ms={row.openedAtMs} withZone={false} />
          </Link>
          <span class="under">
            <Ago ms={row.openedAtMs} />
          </span>
        </>
      ),
    },
    { key: 'duration', head: 'Duration', width: '5rem', cell: durationCell },
    {
      key: 'principal',
      head: 'User',
      width: 'minmax(9.6rem, 1.5fr)',
      cell: row => (
        <Filterable
          name="principal"
          value={row.principal}
          under={<Line text={row.sourceAddress} max={60} />}
        />
      ),
    },
    {
      key: 'target',
      head: 'Target',
      width: 'minmax(8rem, 1.3fr)',
      cell: row => (
        <Filterable
          name="target"
          value={row.target}
          under={
            <>
              as <Line text={row.login} max={80} />
            </>
          }
        />
      ),
    },
    {
      key: 'protocol',
      head: 'Content',
      width: '10rem',
      cell: row => (
        <>
          {row.protocol === 'ssh' ? 'SSH' : 'PostgreSQL'}
          <span class="under">{contentOf(row)}</span>
        </>
      ),
    },
    { key: 'findings', head: 'Findings', width: '5.8rem', cell: findingsCell },
    { key: 'reviewed', head: 'Reviewed', width: '6.6rem', cell: reviewedCell },
    {
      key: 'integrity',
      head: 'Recording',
      width: '8.4rem',
      class: 'acts',
      cell: row => (row.state === 'open' ? <LiveActs row={row} onAct={onAct} /> : recordingCell(row)),
    },
  ]
}

function durationCell(row: SessionSummary): ComponentChildren {
  if (row.endedAtMs !== undefined) return duration(row.endedAtMs - row.openedAtMs)
  if (row.held !== undefined) return <HeldBadge held={row.held} />
  return row.state === 'open' ? <span class="live-word">live</span> : <span class="quiet">unknown</span>
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

function contentOf({ counts, protocol }: SessionSummary): string {
  if (counts === undefined) return 'not indexed yet'
  const { commands, statements, rows, files } = counts
  if (protocol === 'postgres') return `${counted(statements, 'statement')} · ${counted(rows, 'row')}`
  return `${counted(commands, 'command')}${files === 0 ? '' : ` · ${counted(files, 'file')}`}`
}

function findingsCell(row: SessionSummary): ComponentChildren {
  if (row.findings === 0 || row.worst === undefined) return <span class="quiet">–</span>
  return (
    <Link to={`/findings?session=${row.id}`}>
      <Severity is={row.worst} label={`${row.findings} ${row.worst}`} />
    </Link>
  )
}

function reviewedCell({ reviewedBy, reviewWantedBy }: SessionSummary): ComponentChildren {
  const [first] = reviewedBy
  if (first === undefined && reviewWantedBy.length > 0)
    return (
      <span class="badge warn" title={`Asked for by ${reviewWantedBy.join(', ')}`}>
        wanted
      </span>
    )
  if (first === undefined) return <span class="quiet">not yet</span>
  return (
    <span title={reviewedBy.join(', ')}>
      <Line text={first} max={40} />
      {reviewedBy.length > 1 ? ` +${reviewedBy.length - 1}` : ''}
    </span>
  )
}

function recordingCell({ integrity, encrypted }: SessionSummary): ComponentChildren {
  return (
    <>
      <IntegrityBadge is={integrity} />
      {encrypted ? <span class="under">encrypted</span> : null}
    </>
  )
}

function LiveActs({ row, onAct }: { row: SessionSummary; onAct: Doing['onAct'] }) {
  return (
    <span class="row-of">
      <Link to={`/sessions/${row.id}?live=1`} class="button small">
        Watch
      </Link>
      <MenuButton
        label="⋯"
        name={`Pause or end the session of ${row.principal} at ${row.target}`}
        class="button small"
        items={liveMenu(row, act => onAct(row, act))}
      />
    </span>
  )
}

/** A value with a menu that filters by it. */
function Filterable({ name, value, under }: { name: ValueFilter; value: string; under: ComponentChildren }) {
  const { query } = useRoute()
  return (
    <span class="filterable">
      <span class="value">
        <Line text={value} max={120} />
        <span class="under">{under}</span>
      </span>
      <MenuButton
        label="⋯"
        name={`Filter by ${value}`}
        class="icon more"
        items={[
          { name: 'Only this', onSelect: () => changeQuery({ [name]: withValue(query, name, value) }) },
          {
            name: 'All but this',
            onSelect: () => changeQuery({ [name]: withValue(query, name, `-${value}`) }),
          },
          { name: 'Copy', onSelect: () => void copyText(value, 'the value') },
        ]}
      />
    </span>
  )
}
