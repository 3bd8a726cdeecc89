/** A session of PostgreSQL: when its statements ran, what they were, and one of them in full. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { EntryView, Replay, SessionDetail } from '../../../../src/api/schema.ts'
import { usePages, useResource } from '../../api.ts'
import { useKeys } from '../../keys.ts'
import { Copy, copyText } from '../../parts/copy.tsx'
import { Line } from '../../parts/hidden.tsx'
import { say } from '../../parts/said.tsx'
import { Empty, Failed, Loading } from '../../parts/states.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { duration, textOf } from '../../parts/time.tsx'
import { KeysDialog } from '../../player/help.tsx'
import { changeQuery, useRoute } from '../../router.tsx'
import { CommentsPart } from '../../session/comments.tsx'
import { DetailsPart } from '../../session/details.tsx'
import { FindingsPart, useFindings } from '../../session/findings.tsx'
import { openedDetail, SealedPart } from '../../session/sealed-part.tsx'
import { readMoment } from '../../player/moment.ts'
import { settingOf } from '../../settings.ts'
import type { SessionViewProps } from '../session.tsx'
import { Bar } from './bar.tsx'
import { Filters } from './filters.tsx'
import { filterOf, matches, statementAt } from './filter.ts'
import { GroupRows } from './group-rows.tsx'
import { type Clock, speeds, useClock } from './play.ts'
import { placeOf } from './place.ts'
import { StatementRows } from './rows.tsx'
import type { OpenedStatements } from './sealed.ts'
import { StatementPart } from './statement-part.tsx'
import { type Statement, statementsOf } from './statement.ts'
import { type Live, useLive } from './use-live.ts'
import { ReadPart, useReadReport } from './watched.tsx'
import './sql.css'

/** As many as the page holds and draws well; the rest is for exports. */
const maxStatements = 20_000
/** The most that the gateway gives at once. */
const pageRows = 1000

export function View({ detail, reload }: SessionViewProps) {
  // A session that ends under one's eyes stays as it is: the index may not have its last statements yet.
  const [wasOpen] = useState(detail.state === 'open')
  if (detail.recording.removed !== undefined) return <Removed detail={detail} />
  if (wasOpen) return <Watched detail={detail} reload={reload} />
  return detail.encrypted ? <Sealed detail={detail} /> : <Told detail={detail} />
}

/** What goes on: as it happens. */
function Watched({ detail, reload }: SessionViewProps) {
  const live = useLive(detail, maxStatements, reload)
  const { entries, isLoading, isOpen, error } = live
  const statements = useMemo(() => statementsOf(entries), [entries])
  if (isLoading && error === undefined) return <Loading what="Fetching statements" />
  return (
    <>
      {error === undefined ? null : <Failed error={error} />}
      <LiveNote live={live} />
      {statements.length === 0 ? (
        <NoStatements detail={detail} />
      ) : (
        <Opened detail={detail} statements={statements} isWhole={!isOpen} texts={live.texts} />
      )}
    </>
  )
}

function LiveNote({ live: { isOpen, end, again } }: { live: Live }) {
  return (
    <p class={`note row-of ${end?.isOver === false ? 'warn' : ''}`} role="status">
      {isOpen ? (
        <>
          <span class="live-word">live</span> Statements appear here as they run.
        </>
      ) : (
        <>
          {end?.isOver === true ? 'The session has ended: ' : ''}
          <Line text={end?.text ?? ''} />
        </>
      )}
      {end?.isOver === false ? (
        <button type="button" class="button small" onClick={again}>
          Watch again
        </button>
      ) : null}
    </p>
  )
}

/** What the gateway reads of it. */
function Told({ detail }: { detail: SessionDetail }) {
  const found = usePages<EntryView>(`/sessions/${detail.id}/statements`, { limit: pageRows })
  const { items, isOver, isFetching, error, more } = found
  const isFull = items.length >= maxStatements
  useEffect(() => {
    if (!isOver && !isFetching && !isFull && error === undefined && items.length > 0) more()
  }, [items.length, isOver, isFetching, isFull, error])
  const statements = useMemo(() => statementsOf(items), [items])
  if (error !== undefined && items.length === 0) return <Failed error={error} retry={found.reload} />
  if (items.length === 0 && !isOver) return <Loading what="Fetching statements" />
  if (items.length === 0) return <NoStatements detail={detail} />
  return (
    <>
      {error === undefined ? null : <Failed error={error} retry={more} />}
      <Damage detail={detail} />
      {isFull && !isOver ? (
        <p class="note warn">
          The first {maxStatements.toLocaleString('en')} statements are shown. Download the session for all of
          them.
        </p>
      ) : null}
      <Opened detail={detail} statements={statements} isWhole={isOver} />
    </>
  )
}

/** Where parts of the recording are missing: what the list has of them was read before. */
function Damage({ detail: { id, integrity } }: { detail: SessionDetail }) {
  const replay = useResource<Replay>(integrity === 'failed' ? `/sessions/${id}/replay` : undefined)
  if (replay.state !== 'ready') return null
  const { gaps, durationMs } = replay.data
  return (
    <>
      {gaps.map(({ fromMs, toMs, why }) => (
        <p key={fromMs} class="note bad" role="alert">
          A part of the recording is damaged, from {placeOf(fromMs, durationMs)} to{' '}
          {placeOf(toMs, durationMs)}: <Line text={why} />. Statements of that time can be missing, or were
          read before it was damaged.
        </p>
      ))}
    </>
  )
}

/** What only an auditor's key reads. */
function Sealed({ detail }: { detail: SessionDetail }) {
  return (
    <SealedPart<OpenedStatements>
      detail={detail}
      open={async (...key) => {
        const { openSealedStatements } = await import('./sealed.ts')
        return openSealedStatements(detail.id, detail.openedAtMs, ...key)
      }}
    >
      {opened => <OpenedHere detail={openedDetail(detail, opened.facts)} opened={opened} />}
    </SealedPart>
  )
}

function OpenedHere({ detail, opened }: { detail: SessionDetail; opened: OpenedStatements }) {
  const statements = useMemo(() => statementsOf(opened.entries), [opened])
  if (statements.length === 0) return <NoStatements detail={detail} />
  return <Opened detail={detail} statements={statements} isWhole texts={opened.texts} />
}

function Removed({ detail }: { detail: SessionDetail }) {
  return (
    <div class="card">
      <DetailsPart detail={detail} />
    </div>
  )
}

function NoStatements({ detail }: { detail: SessionDetail }) {
  return (
    <>
      <Empty title="No statements">
        <p>
          {detail.state === 'open'
            ? 'Nothing has run yet.'
            : 'The session ended without any, or it is not read yet.'}
        </p>
      </Empty>
      <div class="card">
        <DetailsPart detail={detail} />
      </div>
    </>
  )
}

function Opened({
  detail,
  statements,
  isWhole,
  texts,
}: {
  detail: SessionDetail
  statements: readonly Statement[]
  isWhole: boolean
  /** Full texts, where this page has them itself. */
  texts?: OpenedStatements['texts']
}) {
  const { query } = useRoute()
  const [isHelping, setHelping] = useState(false)
  const findings = useFindings(detail.id)
  const last = statements.at(-1)
  const seenMs = last === undefined ? 0 : last.offsetMs + (last.durationMs ?? 0)
  const durationMs = Math.max(seenMs, (detail.endedAtMs ?? 0) - detail.openedAtMs)
  const filter = filterOf(query)
  const shown = useMemo(
    () => statements.filter(statement => matches(filterOf(query), statement)),
    [statements, query],
  )
  const isFolded = query.get('idle') !== 'show'
  const asked = query.get('entry') ?? query.get('s')
  const startMs = readMoment(query.get('t'), detail.openedAtMs)
  const current =
    shown.find(({ number }) => String(number) === asked) ??
    shown.find(({ statement }) => statement !== undefined && String(-statement) === asked) ?? // chosen before it had a number
    (startMs === undefined ? shown[0] : statementAt(shown, startMs + 2000)) ??
    shown[0]
  const speed = speeds.find(one => String(one) === query.get('speed')) ?? 1
  const choose = (number: number): void =>
    changeQuery({ entry: String(number), t: undefined }, { replace: true })
  const clock = useClock(
    { statements: shown, durationMs, skipsIdle: isFolded },
    speed,
    startMs ?? current?.offsetMs ?? 0,
    statement => choose(statement.number),
  )
  const go = (statement: Statement | undefined): void => {
    if (statement === undefined) return
    choose(statement.number)
    clock.seek(statement.offsetMs)
  }
  const goTo = (number: number): void => go(statements.find(one => one.number === number))
  const at = current === undefined ? -1 : shown.indexOf(current)
  useKeys({
    j: () => go(shown[Math.min(shown.length - 1, at + 1)]),
    k: () => go(shown[Math.max(0, at - 1)]),
    ']': () => go(shown.slice(at + 1).find(one => one.transaction !== current?.transaction)),
    '[': () => go(shown.slice(0, Math.max(0, at)).findLast(one => one.transaction !== current?.transaction)),
    n: () => go(shown.slice(at + 1).find(({ hits }) => hits.length > 0)),
    p: () => go(shown.slice(0, Math.max(0, at)).findLast(({ hits }) => hits.length > 0)),
    g: () => changeQuery({ group: query.get('group') === '1' ? undefined : '1' }),
    ' ': clock.toggle,
    c: () => void copyText(location.href, 'a link to this statement'),
    m: () => {
      changeQuery({ tab: 'comments' }, { replace: true })
      setTimeout(() => document.getElementById(commentId)?.focus(), 50)
    },
    '?': () => setHelping(true),
  })
  const tab = query.get('tab') ?? 'statement'
  useReadReport(detail.id, tab === 'statement' ? current : undefined)
  const siblings =
    current?.transaction === undefined
      ? []
      : statements.filter(({ transaction }) => transaction === current.transaction)
  const isGrouped = query.get('group') === '1'
  return (
    <div class="sql">
      <section class="card sql-top" aria-label="Timeline">
        <Bar
          statements={shown}
          durationMs={durationMs}
          isFolded={isFolded}
          current={current}
          offsetMs={clock.offsetMs}
          onChoose={goTo}
        />
        <Transport
          detail={detail}
          clock={clock}
          speed={speed}
          durationMs={durationMs}
          isFolded={isFolded}
          onHelp={() => setHelping(true)}
        />
      </section>
      {isHelping ? (
        <KeysDialog
          title="Keys of this page"
          when="They act wherever nobody types; your own page switches them off."
          keys={keysHelp}
          onClose={() => setHelping(false)}
        />
      ) : null}
      <Filters statements={statements} filter={filter} shown={shown.length} isWhole={isWhole} />
      <div class={`sql-panes ${isGrouped ? 'grouped' : ''}`}>
        <div class="sql-list" style={{ '--rows': String(shown.length) }}>
          {isGrouped ? (
            <GroupRows statements={shown} durationMs={durationMs} openedAtMs={detail.openedAtMs} />
          ) : shown.length === 0 ? (
            <Empty title="No statement is like this">
              <p>
                <button type="button" class="button" onClick={() => changeQuery(noFilters)}>
                  Take the filters out
                </button>
              </p>
            </Empty>
          ) : (
            <StatementRows
              statements={shown}
              current={Math.max(0, at)}
              onCurrent={index => go(shown[index])}
            />
          )}
        </div>
        <aside class="card sql-side" aria-label="About the session">
          <Tabs
            label="About the session"
            selected={query.get('tab') ?? undefined}
            onSelect={key => changeQuery({ tab: key }, { replace: true })}
            tabs={[
              {
                key: 'statement',
                name: 'Statement',
                panel: () =>
                  current === undefined ? (
                    <p class="quiet">None is chosen.</p>
                  ) : (
                    <StatementPart
                      key={current.number}
                      session={detail.id}
                      statement={current}
                      text={texts?.get(current.number)}
                      siblings={siblings}
                      onChoose={goTo}
                    />
                  ),
              },
              {
                key: 'findings',
                name: 'Findings',
                count: findings.error === undefined ? findings.items.length : undefined,
                panel: () => (
                  <FindingsPart
                    found={findings}
                    openedAtMs={detail.openedAtMs}
                    onSeek={ms => go(statementAt(statements, ms))}
                  />
                ),
              },
              {
                key: 'comments',
                name: 'Comments',
                panel: () => (
                  <CommentsPart
                    session={detail.id}
                    inputId={commentId}
                    offsetMs={current?.offsetMs}
                    onSeek={ms => go(statementAt(statements, ms))}
                  />
                ),
              },
              {
                key: 'details',
                name: 'Details',
                panel: () => (
                  <>
                    <DetailsPart detail={detail} />
                    <ReadPart session={detail.id} statements={statements} durationMs={durationMs} />
                  </>
                ),
              },
            ]}
          />
        </aside>
      </div>
    </div>
  )
}

const commentId = 'sql-comment'

const keysHelp = [
  ['j', 'The next statement'],
  ['k', 'The statement before'],
  ['[', 'Before this transaction'],
  [']', 'Behind this transaction'],
  ['n', 'The next statement that met a rule'],
  ['p', 'The one before that met a rule'],
  ['Space', 'Play or pause'],
  ['g', 'Group by shape, or not'],
  ['m', 'Comment on this statement'],
  ['c', 'Copy a link to this statement'],
  ['/', 'Search everything'],
  ['?', 'These keys'],
] as const

const noFilters = { class: undefined, only: undefined, text: undefined, fingerprint: undefined }

function Transport({
  detail,
  clock,
  speed,
  durationMs,
  isFolded,
  onHelp,
}: {
  onHelp: () => void
  detail: SessionDetail
  clock: Clock
  speed: number
  durationMs: number
  isFolded: boolean
}) {
  const { isPlaying, offsetMs, skippedMs, toggle } = clock
  return (
    <div class="row-of sql-transport">
      <button
        type="button"
        class="button"
        aria-pressed={isPlaying}
        onClick={() => {
          toggle()
          if (!isPlaying) say('The highlight moves as the statements came.')
        }}
      >
        {isPlaying ? 'Pause' : 'Play'}
      </button>
      <label class="row-of">
        Speed
        <select
          value={String(speed)}
          onChange={event => changeQuery({ speed: event.currentTarget.value }, { replace: true })}
        >
          {speeds.map(one => (
            <option key={one} value={String(one)}>
              {one}×
            </option>
          ))}
        </select>
      </label>
      <label class="tick">
        <input
          type="checkbox"
          role="switch"
          checked={isFolded}
          onChange={event =>
            changeQuery({ idle: event.currentTarget.checked ? undefined : 'show' }, { replace: true })
          }
        />
        Fold and skip idle time
      </label>
      <span class="time">
        {placeOf(offsetMs, durationMs)} of {placeOf(durationMs, durationMs)} ·{' '}
        {textOf(detail.openedAtMs + offsetMs, settingOf('zone'))}
      </span>
      <span role="status" class="quiet">
        {isPlaying && skippedMs > 0 ? `skipped ${duration(skippedMs)}` : ''}
      </span>
      <span class="push">
        <Copy text={() => location.href} label="Copy link" name="link to this statement" />{' '}
        <button
          type="button"
          class="icon"
          aria-label="Keys of this page"
          aria-keyshortcuts="?"
          onClick={onHelp}
        >
          ?
        </button>
      </span>
    </div>
  )
}
