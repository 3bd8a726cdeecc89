/** The list of sessions: find the one that matters among a hundred thousand. */
import type { ComponentChildren } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Histogram, SessionPage, SessionSummary } from '../../../src/api/schema.ts'
import { ProblemError, type Query, usePages, useResource } from '../api.ts'
import { Bulk } from '../list/bulk.tsx'
import { FilterChips } from '../list/chips.tsx'
import { hasFilters, instantText, queryOf, type ValueFilter } from '../list/filters.ts'
import { useLiveRows } from '../list/live-rows.ts'
import { HistogramStrip } from '../list/histogram.tsx'
import { SessionTable } from '../list/session-table.tsx'
import { ViewsMenu } from '../list/views-menu.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Line } from '../parts/hidden.tsx'
import { KeysHelp } from '../parts/keys-help.tsx'
import { Empty, Failed, Loading } from '../parts/states.tsx'
import { Time } from '../parts/time.tsx'
import { focusOnMain } from '../keys.ts'
import { changeQuery, Link, useRoute } from '../router.tsx'
import { VerdictForm } from '../session/verdict.tsx'

const keys = [
  ['j', 'next session'],
  ['k', 'the one before'],
  ['o', 'open it'],
  ['x', 'select it'],
  ['v', 'review it'],
  ['/', 'search'],
] as const

/** Rows that are asked for at once. */
const pageRows = 200

export function Page() {
  return <SessionsPage title="Sessions" />
}

/** `fixed` is what the page filters by itself, `refreshMs` asks again by itself. */
export function SessionsPage({
  title,
  fixed = {},
  refreshMs,
}: {
  title: string
  fixed?: Partial<Record<ValueFilter, string>>
  refreshMs?: number
}) {
  const { query } = useRoute()
  const [openedMs, setOpened] = useState(Date.now)
  const asked = useMemo<Query>(
    () => ({ ...queryOf(query, openedMs), ...fixed }),
    [query.toString(), openedMs],
  )
  const pages = usePages<SessionSummary, SessionPage>('/sessions', { ...asked, limit: pageRows })
  const histogram = useResource<Histogram>('/sessions/histogram', asked)
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [reviewing, setReviewing] = useState<readonly string[]>([])
  const refresh = (): void => {
    setOpened(Date.now())
    pages.reload()
    if (histogram.state === 'ready') histogram.reload()
  }
  const reload = useRef(pages.reload)
  reload.current = pages.reload
  useEffect(() => {
    if (refreshMs === undefined) return
    const timer = setInterval(() => document.visibilityState === 'visible' && reload.current(), refreshMs)
    return () => clearInterval(timer)
  }, [refreshMs])
  const known = useKnown(pages)
  const isRefused = pages.error instanceof ProblemError && [401, 403].includes(pages.error.status)
  const isOld = pages.first === undefined && refreshMs !== undefined && !isRefused
  const shown = isOld ? (known?.pages ?? pages) : pages
  const rows = useLiveRows(shown.items, refreshMs === undefined)
  const choose = (id: string, isChosen: boolean): void => {
    const next = new Set(chosen)
    if (isChosen) next.add(id)
    else next.delete(id)
    setChosen(next)
  }
  return (
    <div class="list-page">
      <div class="page-head">
        <h1>{title}</h1>
        <Total pages={shown.first} />
        <div class="row-of push">
          <ViewsMenu />
          <button type="button" class="button small" onClick={refresh}>
            Refresh
          </button>
          <KeysHelp keys={keys} />
        </div>
      </div>
      {isRefused ? null : <FilterChips fixed={Object.keys(fixed) as ValueFilter[]} />}
      {histogram.state === 'failed' && refreshMs === undefined && pages.first !== undefined ? (
        <p class="note row-of" role="alert">
          Sessions over time cannot be shown now: <Line text={histogram.error.message} />
          <button type="button" class="button small" onClick={histogram.retry}>
            Try again
          </button>
        </p>
      ) : null}
      {histogram.state === 'ready' && refreshMs === undefined ? (
        <HistogramStrip
          histogram={histogram.data}
          onNarrow={(from, to) =>
            changeQuery({ last: undefined, from: instantText(from), to: instantText(to) })
          }
        />
      ) : null}
      {shown !== pages && pages.error !== undefined && known !== undefined ? (
        <p class="note warn" role="alert">
          This list is as it was at <Time ms={known.atMs} />: <Line text={pages.error.message} /> It is asked
          for again every {(refreshMs ?? 0) / 1000} seconds.
        </p>
      ) : null}
      <Bulk
        chosen={rows.filter(({ id }) => chosen.has(id))}
        onReview={setReviewing}
        onAssigned={refresh}
        onClear={() => {
          setChosen(new Set())
          focusOnMain()
        }}
      />
      <Rows pages={shown} isFiltered={hasFilters(query)} title={title}>
        <SessionTable
          rows={rows}
          total={shown.first?.isTotalExact === true ? shown.first.total : -1}
          chosen={chosen}
          onChoose={choose}
          onReview={row => setReviewing([row.id])}
          onNearEnd={() => shown.error === undefined && shown.more()}
          onChanged={refresh}
        />
      </Rows>
      {reviewing.length > 0 ? (
        <Dialog
          title={reviewing.length === 1 ? 'Review' : `Review ${reviewing.length} sessions`}
          onClose={() => setReviewing([])}
        >
          <VerdictForm
            sessions={reviewing}
            onDone={() => {
              setReviewing([])
              setChosen(new Set())
              refresh()
            }}
          />
        </Dialog>
      ) : null}
    </div>
  )
}

type SessionPages = ReturnType<typeof usePages<SessionSummary, SessionPage>>

/** What it was when it was last there, and when that was, so that a list that asks again by itself does not flicker. */
function useKnown(pages: SessionPages): { readonly pages: SessionPages; readonly atMs: number } | undefined {
  const last = useRef<{ pages: SessionPages; atMs: number }>(undefined)
  if (pages.first !== undefined) {
    const isSame = last.current?.pages.first === pages.first
    last.current = { pages, atMs: isSame ? (last.current?.atMs ?? 0) : Date.now() }
  }
  return last.current
}

function Total({ pages }: { pages: SessionPage | undefined }) {
  if (pages === undefined) return null
  const { total, isTotalExact } = pages
  return (
    <p class="quiet total" role="status">
      {isTotalExact ? '' : 'at least '}
      {total.toLocaleString('en')}
    </p>
  )
}

type RowsProps = {
  readonly pages: SessionPages
  readonly isFiltered: boolean
  readonly title: string
  readonly children: ComponentChildren
}

function Rows({ pages, isFiltered, title, children }: RowsProps) {
  if (pages.items.length > 0)
    return (
      <>
        {children}
        {pages.error === undefined ? null : <Failed error={pages.error} retry={pages.more} />}
      </>
    )
  if (pages.error !== undefined) return <Failed error={pages.error} retry={pages.more} />
  if (pages.isFetching || pages.first === undefined) return <Loading what="Looking for sessions" />
  if (isFiltered)
    return (
      <Empty title="No session is like that">
        <p>Take out a filter, or choose a longer time.</p>
      </Empty>
    )
  if (title === 'Live') return <Empty title="Nobody works through this gateway right now" />
  return <FirstSession />
}

/** How to make a first session, for whoever has just set this up. */
function FirstSession() {
  return (
    <Empty title="There is no session yet">
      <p>Sessions are here as soon as somebody opens one. Make the first one yourself:</p>
      <pre class="card">ssh LOGIN@TARGET@{location.hostname}</pre>
      <p>
        <Link to="/connect">What may I reach, and how?</Link>
      </p>
    </Empty>
  )
}
