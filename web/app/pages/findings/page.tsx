/** The inbox of findings: what is unusual or forbidden waits here for somebody to look at it and decide. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { FindingCounts, FindingState, FindingSummary } from '../../../../src/api/schema.ts'
import { post, tell, usePages, useResource } from '../../api.ts'
import { focusOnMain, useKeys } from '../../keys.ts'
import { Line } from '../../parts/hidden.tsx'
import { severities } from '../../parts/severity.tsx'
import { Empty, Failed, Loading } from '../../parts/states.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { KeysHelp } from '../../parts/keys-help.tsx'
import { Problem } from '../../parts/problem.tsx'
import { changeQuery, useRoute } from '../../router.tsx'
import { DelayedDecisions, undoMs, type Waiting } from './delayed.ts'
import { Detail } from './detail.tsx'
import { type Snooze, snoozes } from './snooze.ts'
import { AssignDialog, CloseDialog } from './dialogs.tsx'
import { type Grouping, groupings, inGroups, inOrder, moved, nextAfter } from './groups.ts'
import { FindingList } from './list.tsx'
import './findings.css'

const states: readonly { readonly key: FindingState; readonly name: string }[] = [
  { key: 'new', name: 'New' },
  { key: 'acknowledged', name: 'Acknowledged' },
  { key: 'closed', name: 'Closed' },
]
const keys = [
  ['j', 'next finding'],
  ['k', 'the one before'],
  ['e', 'acknowledge'],
  ['a', 'take it'],
  ['x', 'select it'],
  ['z', 'snooze for a day'],
  ['u', 'undo, within ten seconds'],
  ['/', 'search'],
] as const

/** Filters that links set and this page shows and takes out. */
const filterNames = ['severity', 'rule', 'principal', 'session', 'assignee'] as const

export function Page() {
  const { query } = useRoute()
  const state = states.find(({ key }) => key === query.get('state'))?.key ?? 'new'
  const counts = useResource<FindingCounts>('/findings/counts')
  const reloadCounts = counts.state === 'ready' ? counts.reload : () => {}
  return (
    <div class="inbox">
      <div class="page-head">
        <h1>Findings</h1>
        <Filters below={counts.state === 'ready' ? counts.data.below : undefined} />
        <KeysHelp keys={keys} />
      </div>
      <Tabs
        label="State"
        selected={state}
        onSelect={key => changeQuery({ state: key, id: undefined })}
        tabs={states.map(({ key, name }) => ({
          key,
          name,
          count: counts.state === 'ready' ? counts.data[key] : undefined,
          panel: () => <Inbox key={key} state={key} onChanged={reloadCounts} />,
        }))}
      />
    </div>
  )
}

function Filters({ below }: { below: number | undefined }) {
  const { query } = useRoute()
  const by = query.get('by') ?? 'none'
  const set = filterNames.flatMap(name => query.getAll(name).map(value => ({ name, value })))
  return (
    <div class="row-of push">
      {set
        .filter(({ name }) => name !== 'severity')
        .map(({ name, value }) => (
          <button
            type="button"
            key={`${name} ${value}`}
            class="chip on"
            onClick={() => changeQuery({ [name]: query.getAll(name).filter(one => one !== value) })}
          >
            {name}: <Line text={value} max={40} /> <span aria-hidden="true">×</span>
            <span class="unseen">Take this filter out</span>
          </button>
        ))}
      <label class="row-of">
        From severity
        <select
          value={query.getAll('severity').toSorted((a, b) => rank(a) - rank(b))[0] ?? ''}
          onChange={event => changeQuery({ severity: atLeast(event.currentTarget.value) })}
        >
          <option value="">any</option>
          {severities.slice(1).map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="row-of">
        Show
        <select
          value={query.get('place') ?? ''}
          onChange={event => changeQuery({ place: event.currentTarget.value })}
        >
          <option value="">the queue</option>
          <option value="below">not in today’s budget{below === undefined ? '' : ` (${below})`}</option>
          <option value="snoozed">snoozed</option>
          <option value="suppressed">suppressed</option>
          <option value="all">all</option>
        </select>
      </label>
      <label class="row-of">
        Group by
        <select value={by} onChange={event => changeQuery({ by: event.currentTarget.value })}>
          {groupings.map(name => (
            <option key={name} value={name}>
              {name === 'none' ? 'nothing' : name}
            </option>
          ))}
        </select>
      </label>
    </div>
  )
}

function rank(name: string): number {
  return severities.findIndex(severity => severity === name)
}

function atLeast(name: string): readonly string[] {
  return name === '' ? [] : severities.slice(rank(name))
}

function Inbox({ state, onChanged }: { state: FindingState; onChanged: () => void }) {
  const { query } = useRoute()
  const filter = Object.fromEntries(filterNames.map(name => [name, query.getAll(name)]))
  const place = query.get('place') ?? undefined
  const found = usePages<FindingSummary>('/findings', { state, place, ...filter })
  useEffect(() => {
    // A page may be empty and not the last: where names are hidden, one person's findings are looked for among all.
    const isNothingYet = found.first !== undefined && found.items.length === 0 && !found.isOver
    if (isNothingYet && !found.isFetching && found.error === undefined) found.more()
  }, [found.first, found.isOver, found.isFetching, found.error])
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set())
  const [asking, setAsking] = useState<'assign' | 'close'>()
  const decisions = useDecisions(() => {
    found.reload()
    onChanged()
  }, found.first)
  const groups = useMemo(
    () =>
      inGroups(
        found.items.filter(({ id }) => !decisions.isWaiting(id)),
        groupingOf(query.get('by')),
      ),
    [found.items, decisions.waiting, query],
  )
  const findings = inOrder(groups)
  const open = query.get('id') ?? undefined
  const show = (id: string | undefined): void => changeQuery({ id }, { replace: open !== undefined })
  const tick = (id: string): void => setTicked(toggled(ticked, id))
  const chosen = findings.filter(({ id }) => (ticked.size === 0 ? id === open : ticked.has(id)))
  const decide = (what: string, path: string, body: object, on: readonly { readonly id: string }[]): void => {
    if (on.length === 0) return
    if (on.some(({ id }) => id === open) && open !== undefined) show(nextAfter(findings, open))
    setTicked(new Set())
    decisions.add(
      what,
      on.map(({ id }) => id),
      path,
      body,
    )
  }
  const snooze = ({ says, ms }: Snooze, on: readonly { readonly id: string }[]): void =>
    decide(`Snoozed ${says}`, 'snooze', { untilMs: Date.now() + ms }, on)
  useKeys({
    j: () => show(moved(findings, open, 1)),
    k: () => show(moved(findings, open, -1)),
    x: () => open !== undefined && tick(open),
    e: () => state === 'new' && decide('Acknowledged', 'acknowledge', {}, chosen),
    a: () => state !== 'closed' && decide('Assigned to you', 'assign', { to: 'me' }, chosen),
    z: () => state !== 'closed' && snooze(snoozes[0], chosen),
    u: decisions.undo,
  })
  const reload = (): void => {
    found.reload()
    onChanged()
  }
  const asked = (isDone: boolean): void => {
    setAsking(undefined)
    if (!isDone) return
    setTicked(new Set())
    reload()
  }
  return (
    <>
      <Undo waiting={decisions.waiting} onUndo={decisions.undo} problem={decisions.problem} />
      {ticked.size === 0 ? null : (
        <Bulk
          count={ticked.size}
          state={state}
          onAcknowledge={() => decide('Acknowledged', 'acknowledge', {}, chosen)}
          onAssign={() => decide('Assigned to you', 'assign', { to: 'me' }, chosen)}
          onSnooze={() => snooze(snoozes[0], chosen)}
          onAssignTo={() => setAsking('assign')}
          onClose={() => setAsking('close')}
          onClear={() => {
            setTicked(new Set())
            focusOnMain()
          }}
        />
      )}
      <div class={`inbox-panes ${open === undefined ? '' : 'has-open'}`}>
        <div class="inbox-list">
          <ListState
            found={found}
            isEmpty={findings.length === 0}
            isFiltered={['place', ...filterNames].some(name => query.has(name))}
            state={state}
          />
          <FindingList
            groups={groups}
            by={groupingOf(query.get('by'))}
            current={open}
            ticked={ticked}
            onOpen={show}
            onTick={tick}
          />
          {found.isOver || found.items.length === 0 ? null : (
            <button type="button" class="button" onClick={found.more} disabled={found.isFetching}>
              More
            </button>
          )}
        </div>
        <div class="inbox-detail card">
          {open === undefined ? (
            <p class="quiet">
              Choose a finding. Keys: <kbd>j</kbd> <kbd>k</kbd> next and previous, <kbd>e</kbd> acknowledge,{' '}
              <kbd>a</kbd> take it, <kbd>x</kbd> select, <kbd>z</kbd> snooze for a day, <kbd>u</kbd> undo.
            </p>
          ) : (
            <>
              <button type="button" class="button small inbox-back" onClick={() => show(undefined)}>
                Back to the list
              </button>
              <Detail
                key={open}
                id={open}
                onAcknowledge={finding => decide('Acknowledged', 'acknowledge', {}, [finding])}
                onAssign={(finding, to) =>
                  decide(to === 'me' ? 'Assigned to you' : 'Assigned to nobody', 'assign', { to }, [finding])
                }
                onSnooze={(finding, how) => snooze(how, [finding])}
                onChanged={reload}
              />
            </>
          )}
        </div>
      </div>
      {asking === 'close' ? <CloseDialog findings={chosen} onClose={asked} /> : null}
      {asking === 'assign' ? <AssignDialog findings={chosen} onClose={asked} /> : null}
    </>
  )
}

function groupingOf(text: string | null): Grouping {
  return groupings.find(name => name === text) ?? 'none'
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set)
  if (!next.delete(id)) next.add(id)
  return next
}

/** Decisions by one key, which wait before they are sent. `changed` is called after each was. */
function useDecisions(changed: () => void, first: unknown) {
  const [waiting, setWaiting] = useState<readonly Waiting[]>([])
  /** Sent, and still in the list that was fetched before. */
  const [sent, setSent] = useState<readonly string[]>([])
  const [problem, setProblem] = useState('')
  const latest = useRef(changed)
  latest.current = changed
  const decisions = useMemo(() => {
    const made: DelayedDecisions = new DelayedDecisions(() => setWaiting([...made.waiting]))
    return made
  }, [])
  useEffect(() => setSent([]), [first])
  useEffect(() => {
    const leave = (): void => decisions.flush(true)
    addEventListener('pagehide', leave)
    return () => {
      removeEventListener('pagehide', leave)
      decisions.flush()
    }
  }, [])
  const add = (what: string, findings: readonly string[], path: string, body: object): void => {
    setProblem('')
    decisions.add(what, findings, isLeaving => {
      if (isLeaving) return findings.forEach(id => tell(addressOf(id, path), body))
      setSent(sent => [...sent, ...findings])
      void send(findings, path, body).then(problem => {
        setProblem(problem)
        latest.current()
      })
    })
  }
  const hidden = [...sent, ...waiting.flatMap(({ findings }) => findings)]
  return {
    waiting,
    problem,
    add,
    undo: () => void decisions.undo(),
    isWaiting: (id: string) => hidden.includes(id),
  }
}

function addressOf(id: string, path: string): string {
  return `/findings/${encodeURIComponent(id)}/${path}`
}

/** What was refused, as one text. */
async function send(findings: readonly string[], path: string, body: object): Promise<string> {
  const problems: string[] = []
  for (const id of findings)
    await post(addressOf(id, path), body).catch((thrown: unknown) => {
      problems.push((thrown as Error).message)
    })
  return [...new Set(problems)].join(' ')
}

function Undo({
  waiting,
  problem,
  onUndo,
}: {
  waiting: readonly Waiting[]
  problem: string
  onUndo: () => void
}) {
  const last = waiting.at(-1)
  return (
    <>
      <Problem text={problem} class="note bad" />
      <div role="status">
        {last === undefined ? null : (
          <p class="note row-of">
            <span>
              {last.what}
              {last.findings.length === 1 ? '' : ` (${last.findings.length})`}. It is sent after{' '}
              {undoMs / 1000} seconds.
            </span>
            <button type="button" class="button small" onClick={onUndo} aria-keyshortcuts="u">
              Undo
            </button>
          </p>
        )}
      </div>
    </>
  )
}

function Bulk({
  count,
  state,
  onAcknowledge,
  onAssign,
  onSnooze,
  onAssignTo,
  onClose,
  onClear,
}: {
  count: number
  state: FindingState
  onAcknowledge: () => void
  onAssign: () => void
  onSnooze: () => void
  onAssignTo: () => void
  onClose: () => void
  onClear: () => void
}) {
  return (
    <div class="note row-of" role="group" aria-label="For all that are selected">
      <strong>{count} selected</strong>
      {state === 'new' ? (
        <button type="button" class="button small" onClick={onAcknowledge}>
          Acknowledge
        </button>
      ) : null}
      {state === 'closed' ? null : (
        <>
          <button type="button" class="button small" onClick={onAssign}>
            Take them
          </button>
          <button type="button" class="button small" onClick={onAssignTo}>
            Assign to…
          </button>
          <button type="button" class="button small" onClick={onSnooze}>
            Snooze {snoozes[0].says}
          </button>
          <button type="button" class="button small" onClick={onClose}>
            Close with one reason…
          </button>
        </>
      )}
      <button type="button" class="button small" onClick={onClear}>
        Clear
      </button>
    </div>
  )
}

function ListState({
  found,
  isEmpty,
  isFiltered,
  state,
}: {
  found: ReturnType<typeof usePages<FindingSummary>>
  isEmpty: boolean
  isFiltered: boolean
  state: FindingState
}) {
  if (found.error !== undefined) return <Failed error={found.error} retry={found.reload} />
  if (found.items.length === 0 && !found.isOver) return <Loading what="Fetching findings" />
  if (!isEmpty) return null
  if (isFiltered)
    return (
      <Empty title="No finding is like that">
        <p>Show the queue, from any severity, or take out a filter.</p>
      </Empty>
    )
  return (
    <Empty title={state === 'new' ? 'Nothing waits for you' : 'None'}>
      <p>
        {state === 'new'
          ? 'What rules and baselines notice in sessions that you may review comes here. What is below the line is on each session’s own page.'
          : 'No finding that you may see is in this state.'}
      </p>
    </Empty>
  )
}
