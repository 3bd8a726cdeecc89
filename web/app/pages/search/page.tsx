/** One box over everything that was typed, run, shown and moved, in all sessions that the person may see. */
import { useEffect, useId, useRef } from 'preact/hooks'
import type { EntryView, SearchHit, SearchPage } from '../../../../src/api/schema.ts'
import { ProblemError, usePages } from '../../api.ts'
import { useKeys } from '../../keys.ts'
import { Line, MarkedLine } from '../../parts/hidden.tsx'
import { KeysHelp } from '../../parts/keys-help.tsx'
import { Empty, Failed, Loading } from '../../parts/states.tsx'
import { dayAt, inputText, readInstant, zoneWords } from '../../parts/instant.ts'
import { offsetOf, Time } from '../../parts/time.tsx'
import { changeQuery, Link, useRoute } from '../../router.tsx'
import { useSetting } from '../../settings.ts'
import { bySession, excerpt, momentOf, type SessionHits } from './groups.ts'
import { filterIn, maxQuery, queryInstant, withFilter } from './syntax.ts'
import './search.css'

type Kind = EntryView['kind']
const kinds: readonly { readonly kind: Kind; readonly name: string; readonly one: string }[] = [
  { kind: 'command', name: 'Commands', one: 'Command' },
  { kind: 'statement', name: 'Statements', one: 'Statement' },
  { kind: 'screen', name: 'Screen', one: 'Screen' },
  { kind: 'file', name: 'Files', one: 'File' },
  { kind: 'forward', name: 'Forwards', one: 'Forward' },
]

const keys = [
  ['j', 'next hit'],
  ['k', 'the one before'],
  ['/', 'search everything'],
] as const

/** Characters of a hit that are shown. */
const hitCharacters = 400

export function Page() {
  const { query } = useRoute()
  const asked = query.get('q') ?? ''
  const session = query.get('session') ?? undefined
  const chosen = query.getAll('kind')
  const isAsked = asked !== ''
  const found = usePages<SearchHit, SearchPage>(isAsked ? '/search' : undefined, {
    q: asked,
    session,
    kind: chosen,
  })
  const advice = adviceOf(found.error)
  return (
    <>
      <div class="page-head">
        <h1>Search</h1>
        {session === undefined ? null : <Within session={session} />}
        <span class="push">
          <KeysHelp keys={keys} />
        </span>
      </div>
      <Box asked={asked} advice={advice} />
      <Narrow asked={asked} chosen={chosen} />
      <p class="search-status quiet" role="status">
        {isAsked && found.first !== undefined ? summaryOf(found.first) : ''}
      </p>
      {isAsked && advice === undefined ? <Results found={found} /> : null}
      <Syntax key={String(isAsked)} isOpen={!isAsked || advice !== undefined} />
    </>
  )
}

/** A query that cannot be used is answered with what to do about it. */
function adviceOf(error: Error | undefined): string | undefined {
  return error instanceof ProblemError && (error.status === 400 || error.status === 422)
    ? error.message
    : undefined
}

function summaryOf({ total, isTotalExact, tookMs }: SearchPage): string {
  const count = total.toLocaleString('en')
  return `${isTotalExact ? '' : 'at least '}${count} ${total === 1 ? 'hit' : 'hits'} in ${Math.max(1, Math.round(tookMs))} ms`
}

function Within({ session }: { session: string }) {
  return (
    <span class="row-of">
      in the session{' '}
      <Link to={`/sessions/${encodeURIComponent(session)}`}>
        <Line text={session} max={80} />
      </Link>
      <button type="button" class="button small" onClick={() => changeQuery({ session: undefined })}>
        Search all sessions
      </button>
    </span>
  )
}

function Box({ asked, advice }: { asked: string; advice: string | undefined }) {
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (input.current !== null) input.current.value = asked
  }, [asked])
  return (
    <form
      class="search-form"
      onSubmit={event => {
        event.preventDefault()
        changeQuery({ q: input.current?.value.trim() ?? '' })
      }}
    >
      <input
        ref={input}
        class="search-box"
        type="search"
        aria-label="What to look for"
        aria-describedby={advice === undefined ? undefined : id}
        aria-invalid={advice !== undefined}
        placeholder={'for example: "drop table" user:ada'}
        defaultValue={asked}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={maxQuery}
      />
      <button type="submit" class="button first">
        Search
      </button>
      {advice === undefined ? null : (
        <p class="warn" id={id}>
          <Line text={advice} />
        </p>
      )}
    </form>
  )
}

/** Filters that write themselves into the query, so that everything asked stands in one line and in the address. */
function Narrow({ asked, chosen }: { asked: string; chosen: readonly string[] }) {
  const toggle = (kind: Kind): void =>
    changeQuery({ kind: chosen.includes(kind) ? chosen.filter(one => one !== kind) : [...chosen, kind] })
  return (
    <div class="search-narrow" role="group" aria-label="Narrow the search">
      <div class="search-kinds" role="group" aria-label="Kinds">
        {kinds.map(({ kind, name }) => (
          <button
            type="button"
            key={kind}
            class={`chip ${chosen.includes(kind) ? 'on' : ''}`}
            aria-pressed={chosen.includes(kind)}
            onClick={() => toggle(kind)}
          >
            {name}
          </button>
        ))}
      </div>
      <Field asked={asked} field="user" name="Person" />
      <Field asked={asked} field="target" name="Target" />
      <TimeField asked={asked} field="after" name="From" />
      <TimeField asked={asked} field="before" name="Before" />
    </div>
  )
}

function Field({ asked, field, name }: { asked: string; field: string; name: string }) {
  const value = filterIn(asked, field)
  return (
    <label class="field">
      {name}
      <input
        key={value}
        type="text"
        spellcheck={false}
        autocomplete="off"
        defaultValue={value}
        onChange={event => changeQuery({ q: withFilter(asked, field, event.currentTarget.value.trim()) })}
      />
    </label>
  )
}

/** A day or an instant in the zone that the pages show; the query has it in UTC. What is no day is shown as it is: `2h`, for one. */
function TimeField({ asked, field, name }: { asked: string; field: string; name: string }) {
  const [zone] = useSetting('zone')
  const value = filterIn(asked, field)
  const ms = readInstant(value, 'utc')
  const isInstant = ms !== undefined && !Number.isNaN(ms)
  const day = isInstant ? dayAt(ms, zone) : ''
  const isDay = value === '' || (isInstant && day !== undefined)
  const apply = (text: string): void =>
    changeQuery({ q: withFilter(asked, field, queryInstant(text.trim(), readInstant(text, zone))) })
  const common = {
    autocomplete: 'off' as const,
    onChange: (event: { readonly currentTarget: HTMLInputElement }) => apply(event.currentTarget.value),
  }
  return (
    <label class="field">
      {name} ({zoneWords(zone)})
      {isDay ? (
        <input key={`day ${value} ${zone}`} type="date" defaultValue={day} {...common} />
      ) : (
        <input
          key={`${value} ${zone}`}
          type="text"
          defaultValue={isInstant ? inputText(ms, zone) : value}
          {...common}
        />
      )}
    </label>
  )
}

function Results({ found }: { found: ReturnType<typeof usePages<SearchHit, SearchPage>> }) {
  const list = useRef<HTMLUListElement>(null)
  useKeys({ j: () => focusHit(list.current, 1), k: () => focusHit(list.current, -1) })
  const { items, error, isFetching, isOver, more, reload } = found
  if (error !== undefined && items.length === 0) return <Failed error={error} retry={reload} />
  if (items.length === 0 && !isOver) return <Loading what="Searching" />
  const named = <Named named={found.first?.named} />
  if (items.length === 0 && (found.first?.named?.total ?? 0) > 0) return named
  if (items.length === 0) return <Nothing />
  return (
    <>
      {named}
      <ul class="search-results" ref={list}>
        {bySession(items).map(group => (
          <Group key={group.session} group={group} />
        ))}
      </ul>
      {error === undefined ? null : <Failed error={error} retry={more} />}
      {isOver ? null : (
        <p class="row-of">
          <button type="button" class="button" disabled={isFetching} onClick={more}>
            {isFetching ? 'Searching…' : 'More'}
          </button>
        </p>
      )}
    </>
  )
}

/** Sessions of people and targets that are called so. */
function Named({ named }: { named: SearchPage['named'] }) {
  if (named === undefined || named.total === 0) return null
  const { words, items, total, isTotalExact } = named
  const all = words.map(word => `named=${encodeURIComponent(word)}`).join('&')
  return (
    <section class="card search-named" aria-labelledby="search-named-head">
      <h2 id="search-named-head">Sessions by their names</h2>
      <ul>
        {items.map(({ id, principal, target, login, openedAtMs }) => (
          <li key={id}>
            <Link to={`/sessions/${encodeURIComponent(id)}`}>
              <Line text={principal} /> as <Line text={login} /> on <Line text={target} />
            </Link>{' '}
            <span class="quiet">
              <Time ms={openedAtMs} />
            </span>
          </li>
        ))}
      </ul>
      {total <= items.length ? null : (
        <p>
          <Link to={`/sessions?${all}`}>
            All {isTotalExact ? '' : 'of more than '}
            {total.toLocaleString('en')} sessions
          </Link>
        </p>
      )}
    </section>
  )
}

function focusHit(list: HTMLElement | null, by: number): void {
  const links = [...(list?.querySelectorAll<HTMLElement>('.search-hits a') ?? [])]
  const at = links.indexOf(document.activeElement as HTMLElement)
  links[Math.min(links.length - 1, Math.max(0, at + by))]?.focus()
}

function Nothing() {
  return (
    <Empty title="Nothing was found">
      <p>
        In no session that you may see. Look for fewer words, or a part of one: <code>deplo*</code>. What is
        encrypted to auditors is not in the index.
      </p>
    </Empty>
  )
}

function Group({ group }: { group: SessionHits }) {
  const { session, principal, target, atMs, hits } = group
  return (
    <li class="card">
      <header>
        <h2>
          <Link to={`/sessions/${encodeURIComponent(session)}`}>
            <Line text={principal} /> on <Line text={target} />
          </Link>
        </h2>
        <span class="quiet">
          <Time ms={atMs} />
        </span>
        <span class="quiet">
          {hits.length} {hits.length === 1 ? 'hit' : 'hits'} here
        </span>
      </header>
      <ul class="search-hits">
        {hits.map(hit => (
          <Hit key={`${hit.entry} ${hit.kind}`} hit={hit} />
        ))}
      </ul>
    </li>
  )
}

function Hit({ hit }: { hit: SearchHit }) {
  const { text, marks } = excerpt(hit, hitCharacters)
  return (
    <li>
      <Link to={momentOf(hit)}>
        <span class="quiet">{kinds.find(({ kind }) => kind === hit.kind)?.one ?? hit.kind}</span>
        <span class="time">{offsetOf(hit.offsetMs)}</span>
        <span class="what">
          <MarkedLine text={text} marks={marks} />
        </span>
      </Link>
    </li>
  )
}

const syntax: readonly { readonly write: string; readonly means: string }[] = [
  { write: 'useradd mallory', means: 'all of these words, in any order' },
  { write: '"drop table"', means: 'these words one after the other' },
  { write: 'deplo*', means: 'words that begin so' },
  { write: 'nc OR ncat', means: 'one of them' },
  { write: '-select', means: 'without this word; short ones as in -rf are options, and are looked for' },
  { write: 'user:ada target:orders', means: 'by somebody, on a target; also kind:, session: and rule:' },
  {
    write: 'after:2026-11-01 before:2h',
    means: 'within a time: a day or an instant, in a query always UTC; or how long ago',
  },
]

function Syntax({ isOpen }: { isOpen: boolean }) {
  return (
    <details class="card search-syntax" open={isOpen}>
      <summary>How to ask</summary>
      <dl class="facts">
        {syntax.map(({ write, means }) => (
          <div key={write}>
            <dt>{write}</dt>
            <dd>{means}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet small">
        Keys: <kbd>/</kbd> to the box, <kbd>j</kbd> and <kbd>k</kbd> along the hits, Enter to the moment.
      </p>
    </details>
  )
}
