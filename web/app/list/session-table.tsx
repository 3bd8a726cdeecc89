/** The table of sessions: of any length, filtered from its cells, driven by keys. */
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { SessionSummary } from '../../../src/api/schema.ts'
import { useKeys } from '../keys.ts'
import { withMarks } from '../parts/hidden-text.ts'
import { Line } from '../parts/hidden.tsx'
import { MenuButton } from '../parts/menu.tsx'
import { Severity } from '../parts/severity.tsx'
import type { Column } from '../parts/table.tsx'
import { Ago, duration, Time, ZoneName } from '../parts/time.tsx'
import { VirtualTable } from '../parts/virtual.tsx'
import { Link, navigate } from '../router.tsx'
import { HeldBadge, type LiveAct, LiveDialog, liveMenu } from '../session/end.tsx'
import { IntegrityBadge } from '../session/head.tsx'
import { contentOf } from './content.ts'
import { Filterable } from './filterable.tsx'

/** Of a row; where columns stand in two lines; and where there are two of them. As style.css lays them out. Pixels. */
const rowHeight = 50
const narrowRowHeight = 112
const smallRowHeight = 276

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
  const { current, setAt, move } = useCurrent(rows)
  const [acting, setActing] = useState<{ row: SessionSummary; act: LiveAct }>()
  const withRow =
    (act: (row: SessionSummary) => void): (() => void) =>
    () => {
      const row = rows[current]
      if (row !== undefined) act(row)
    }
  const open = withRow(row => navigate(`/sessions/${row.id}`))
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    o: open,
    x: withRow(row => onChoose(row.id, !chosen.has(row.id))),
    v: withRow(onReview),
  })
  const enter = (event: KeyboardEvent): void => {
    // Enter on a link or a button of the row is theirs.
    const isOnRow = event.target instanceof HTMLElement && event.target.role === 'row'
    if (event.key !== 'Enter' || !isOnRow) return
    event.preventDefault()
    open()
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
        smallRowHeight={smallRowHeight}
        current={current}
        onCurrent={setAt}
        onKeyDown={enter}
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

/** The row that has the keys. It stays with its session when others come before it. */
function useCurrent(rows: readonly SessionSummary[]) {
  const [place, setPlace] = useState<{ at: number; id: string | undefined }>({ at: 0, id: undefined })
  const wantsFocus = useRef(false)
  const found = place.id === undefined ? -1 : rows.findIndex(({ id }) => id === place.id)
  const current = Math.min(found === -1 ? place.at : found, Math.max(0, rows.length - 1))
  const setAt = (at: number): void => setPlace({ at, id: rows[at]?.id })
  useLayoutEffect(() => {
    if (!wantsFocus.current) return
    wantsFocus.current = false
    const row = document.querySelector<HTMLElement>(`.sessions [data-index="${current}"]`)
    row?.focus({ preventScroll: true })
  }, [place])
  /** From wherever the focus is. */
  const move = (by: 1 | -1): void => {
    wantsFocus.current = true
    setAt(Math.min(rows.length - 1, Math.max(0, current + by)))
  }
  return { current, setAt, move }
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
            aria-label={`Select ${withMarks(row.principal)} at ${withMarks(row.target)}`}
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
      width: '10.8rem',
      cell: row => (
        <>
          <Link to={`/sessions/${row.id}`} class="when">
            <Time ms={row.openedAtMs} withZone={false} />
          </Link>
          <span class="under">
            <Ago ms={row.openedAtMs} />
          </span>
        </>
      ),
    },
    { key: 'duration', head: 'Duration', width: '5.6rem', cell: durationCell },
    {
      key: 'principal',
      head: 'User',
      class: 'whose',
      width: 'minmax(10.2rem, 1.5fr)',
      cell: row => (
        <Filterable
          name="principal"
          value={row.principal}
          others={[{ name: 'source', value: row.sourceAddress, says: 'from' }]}
          under={<Line text={row.sourceAddress} max={60} />}
        />
      ),
    },
    {
      key: 'target',
      head: 'Target',
      class: 'where',
      width: 'minmax(8rem, 1.3fr)',
      cell: row => (
        <Filterable
          name="target"
          value={row.target}
          others={[{ name: 'login', value: row.login, says: 'as' }]}
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
      class: 'held',
      width: '10rem',
      cell: row => (
        <Filterable
          name="protocol"
          value={row.protocol}
          shown={row.protocol === 'ssh' ? 'SSH' : 'PostgreSQL'}
          under={contentOf(row)}
        />
      ),
    },
    { key: 'findings', head: 'Findings', width: '6.6rem', class: 'found', cell: findingsCell },
    { key: 'reviewed', head: 'Reviewed', width: '6rem', class: 'judged', cell: reviewedCell },
    {
      key: 'integrity',
      head: 'Recording',
      width: '7rem',
      class: 'acts',
      cell: row => (row.state === 'open' ? <LiveActs row={row} onAct={onAct} /> : recordingCell(row)),
    },
  ]
}

/** As long as one stretch that the player skips. Milliseconds. */
const idleWorthMs = 10_000
/** Ends that nobody needs to read about in a list. */
const ordinary = /^(?:closed by the client|the client (?:said goodbye|closed the connection))$/

function durationCell(row: SessionSummary): ComponentChildren {
  if (row.endedAtMs !== undefined)
    return (
      <>
        {duration(row.endedAtMs - row.openedAtMs)}
        {row.endReason === undefined || ordinary.test(row.endReason) ? (
          activeOf(row, row.endedAtMs - row.openedAtMs)
        ) : (
          <span class="under" title={row.endReason}>
            <Line text={row.endReason} max={80} />
          </span>
        )}
      </>
    )
  if (row.held !== undefined) return <HeldBadge held={row.held} />
  return row.state === 'open' ? <span class="live-word">live</span> : <span class="quiet">unknown</span>
}

/** Only where it is worth a look: a good part of the session was idle. */
function activeOf({ counts }: SessionSummary, durationMs: number): ComponentChildren {
  if (counts === undefined || durationMs - counts.activeMs < idleWorthMs) return null
  return (
    <span
      class="under"
      title={`${duration(counts.activeMs)}; the rest are stretches of more than ten seconds without input and output.`}
    >
      {roughly(counts.activeMs)} active
    </span>
  )
}

/** In one number, for where there is little room. */
function roughly(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  return seconds < 3600 ? `${Math.round(seconds / 60)} m` : `${(seconds / 3600).toFixed(1)} h`
}

function findingsCell(row: SessionSummary): ComponentChildren {
  if (row.findings === 0 || row.worst === undefined) return <span class="quiet">–</span>
  return (
    <Link to={`/findings?session=${row.id}`} class="when">
      <Severity is={row.worst} label={`${row.findings} ${row.worst}`} />
    </Link>
  )
}

function reviewedCell(row: SessionSummary): ComponentChildren {
  const { assignee } = row
  return (
    <>
      {verdictsOf(row)}
      {assignee === undefined ? null : (
        <span class="under" title={`To be reviewed by ${withMarks(assignee)}`}>
          for <Line text={assignee} max={40} />
        </span>
      )}
    </>
  )
}

function verdictsOf({ reviewedBy, reviewWantedBy }: SessionSummary): ComponentChildren {
  const [first] = reviewedBy
  if (first === undefined && reviewWantedBy.length > 0)
    return (
      <span class="badge warn" title={`Asked for by ${withMarks(reviewWantedBy.join(', '))}`}>
        wanted
      </span>
    )
  if (first === undefined) return <span class="quiet">not yet</span>
  return (
    <span title={withMarks(reviewedBy.join(', '))}>
      <Line text={first} max={40} />
      {reviewedBy.length > 1 ? ` +${reviewedBy.length - 1}` : ''}
    </span>
  )
}

function recordingCell({ integrity, checkedAtMs, encrypted }: SessionSummary): ComponentChildren {
  return (
    <>
      <IntegrityBadge is={integrity} checkedAtMs={checkedAtMs} />
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
        name={`Pause or end the session of ${withMarks(row.principal)} at ${withMarks(row.target)}`}
        class="button small"
        items={liveMenu(row, act => onAct(row, act))}
      />
    </span>
  )
}
