/** Two sessions beside each other: what was done in one of them only stands out. */
import type { EntryView, SessionDetail, SessionPage, SessionSummary } from '../../../src/api/schema.ts'
import { useResource } from '../api.ts'
import { Line } from '../parts/hidden.tsx'
import { Empty, Shown } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { duration, offsetOf, Time } from '../parts/time.tsx'
import { VirtualList } from '../parts/virtual.tsx'
import { changeQuery, Link, useRoute } from '../router.tsx'
import { type Entries, useEntries } from '../session/entries.ts'
import { Missing } from '../session/missing.tsx'
import '../player/player.css'

const rowHeight = 34

export function Page() {
  const { query } = useRoute()
  const [a, b] = [query.get('a'), query.get('b')]
  const detail = useResource<SessionDetail>(a === null ? undefined : `/sessions/${encodeURIComponent(a)}`)
  if (a === null)
    return (
      <>
        <div class="page-head">
          <h1>Compare</h1>
        </div>
        <Empty title="Two sessions are needed">
          <p>
            Open one of the <Link to="/sessions">sessions</Link>, and press Compare there.
          </p>
        </Empty>
      </>
    )
  return (
    <>
      <div class="page-head">
        <h1>Compare</h1>
        {b === null ? null : (
          <button type="button" class="button small push" onClick={() => changeQuery({ b: undefined })}>
            Choose another
          </button>
        )}
      </div>
      <Shown resource={detail}>
        {one => (b === null ? <Choose one={one} /> : <Both one={one} other={b} />)}
      </Shown>
    </>
  )
}

/** Others of the same person on the same target are what one compares with first. */
function Choose({ one }: { one: SessionDetail }) {
  const { principal, target, protocol } = one
  const others = useResource<SessionPage>('/sessions', { principal, target, protocol, limit: 50 })
  return (
    <>
      <p>
        With which other session of <Line text={principal} /> on <Line text={target} />?
      </p>
      <Shown resource={others}>
        {({ items }) => (
          <Table
            label="Sessions to compare with"
            rows={items.filter(({ id }) => id !== one.id)}
            rowKey={({ id }) => id}
            columns={[
              {
                key: 'start',
                head: 'Start',
                cell: row => (
                  <Link to={`/compare?a=${one.id}&b=${row.id}`}>
                    <Time ms={row.openedAtMs} />
                  </Link>
                ),
              },
              { key: 'duration', head: 'Duration', cell: durationOf },
              { key: 'login', head: 'Login', cell: row => <Line text={row.login} /> },
            ]}
          />
        )}
      </Shown>
    </>
  )
}

function durationOf({ openedAtMs, endedAtMs }: SessionSummary): string {
  return endedAtMs === undefined ? 'unknown' : duration(endedAtMs - openedAtMs)
}

function Both({ one, other }: { one: SessionDetail; other: string }) {
  const second = useResource<SessionDetail>(`/sessions/${encodeURIComponent(other)}`)
  const kind = one.protocol === 'ssh' ? 'commands' : 'statements'
  const left = useEntries(`/sessions/${one.id}/${kind}`, false)
  const right = useEntries(`/sessions/${encodeURIComponent(other)}/${kind}`, false)
  const isRead = left.isComplete && right.isComplete
  return (
    <Shown resource={second}>
      {detail => {
        if (detail.protocol !== one.protocol)
          return (
            <Empty title="These two cannot be compared">
              <p>One ran commands, the other statements. Choose another of the same kind.</p>
            </Empty>
          )
        const isWhole = isRead && !one.encrypted && !detail.encrypted
        return (
          <div class="compared">
            <Side name="First" detail={one} entries={left} others={isWhole ? right.items : undefined} />
            <Side name="Second" detail={detail} entries={right} others={isWhole ? left.items : undefined} />
          </div>
        )
      }}
    </Shown>
  )
}

function Side({
  name,
  detail,
  entries,
  others,
}: {
  /** Both may have begun in the same second. */
  name: string
  detail: SessionDetail
  entries: Entries
  /** Undefined until both lists are whole: nothing can be said of what is in one of them only. */
  others: readonly EntryView[] | undefined
}) {
  const { items } = entries
  const known = others === undefined ? undefined : new Set(others.map(shapeOf))
  const isOnlyHere = (entry: EntryView): boolean => known?.has(shapeOf(entry)) === false
  const only = known === undefined ? undefined : items.filter(isOnlyHere).length
  return (
    <section class="card" aria-labelledby={`compare-${detail.id}`}>
      <h2 id={`compare-${detail.id}`}>
        <span class="unseen">{name}: </span>
        <Link to={`/sessions/${detail.id}`}>
          <Time ms={detail.openedAtMs} />
        </Link>{' '}
        <Line text={`${detail.login}@${detail.target}`} />
      </h2>
      <p class="quiet">
        <Line text={detail.principal} /> · {countText(entries)} ·{' '}
        {only === undefined ? 'not compared until both are whole' : `${only} only here`}
      </p>
      {detail.encrypted ? (
        <p class="note warn">
          This recording is encrypted: the gateway has no list of it. Open the session with your key.
        </p>
      ) : (
        <Missing of={entries} what="of it" />
      )}
      <VirtualList
        label={`What was done${only === undefined ? '' : `, ${only} of it only here`}`}
        count={items.length}
        rowHeight={rowHeight}
        render={index => {
          const entry = items[index]
          if (entry === undefined) return null
          const isOnly = isOnlyHere(entry)
          return (
            <p class={`compared-row ${isOnly ? 'only' : 'quiet'}`}>
              <Link to={`/sessions/${detail.id}?t=${Math.floor(entry.offsetMs / 1000)}`}>
                {offsetOf(entry.offsetMs)}
              </Link>{' '}
              {isOnly ? <strong>only here </strong> : null}
              <code>
                <Line text={entry.text} max={300} />
              </code>
            </p>
          )
        }}
      />
    </section>
  )
}

function countText({ items, isComplete, error }: Entries): string {
  if (isComplete) return `${items.length} in all`
  return error === undefined ? `${items.length} so far` : `${items.length} of an unknown number`
}

/** Statements that differ in their literals only are the same; commands are, letter for letter. */
function shapeOf({ text, detail }: EntryView): string {
  return typeof detail['fingerprint'] === 'string' ? detail['fingerprint'] : text.trim()
}
