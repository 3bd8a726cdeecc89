/** What is known about whoever is signed in: their sessions, what is stored and for how long, who looked, and what they have to say about it. */
import type { RefObject } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { ContestWish, OwnData, SessionPage, SessionSummary } from '../../../../src/api/schema.ts'
import { post, usePages, useResource } from '../../api.ts'
import { useMe } from '../../me.ts'
import { Line } from '../../parts/hidden.tsx'
import { say } from '../../parts/said.tsx'
import { Failed, Loading, Shown } from '../../parts/states.tsx'
import { Table } from '../../parts/table.tsx'
import { duration, Time, ZoneName } from '../../parts/time.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Link } from '../../router.tsx'
import { useSetting } from '../../settings.ts'
import './me.css'

export function Page() {
  const me = useMe()
  const data = useResource<OwnData>('/me/data')
  const [about, setAbout] = useState('')
  const box = useRef<HTMLTextAreaElement>(null)
  const contest = (id: string): void => {
    setAbout(id)
    box.current?.focus()
  }
  return (
    <div class="own">
      <div class="page-head">
        <h1>
          <Line text={me.name} />
        </h1>
        <Link to="/connect" class="push">
          Connect
        </Link>
      </div>
      <About />
      <OwnSessions onContest={contest} />
      <Shown resource={data} what="Fetching what is stored about you">
        {own => (
          <>
            <Stored own={own} />
            <Views own={own} />
            <Findings own={own} />
          </>
        )}
      </Shown>
      <Contest about={about} onAbout={setAbout} box={box} />
      <Settings />
    </div>
  )
}

function About() {
  const me = useMe()
  return (
    <dl class="facts card">
      {me.email === undefined ? null : (
        <div>
          <dt>E-mail</dt>
          <dd>
            <Line text={me.email} />
          </dd>
        </div>
      )}
      <div>
        <dt>Roles</dt>
        <dd>{me.roles.length === 0 ? 'none' : <Line text={me.roles.join(', ')} />}</dd>
      </div>
      <div>
        <dt>Signed in until</dt>
        <dd>
          <Time ms={me.signedInUntilMs} />
        </dd>
      </div>
    </dl>
  )
}

/** `onContest`: the person has something to say about one. */
function OwnSessions({ onContest }: { onContest: (id: string) => void }) {
  const found = usePages<SessionSummary, SessionPage>('/me/sessions', { limit: 20 })
  return (
    <section aria-labelledby="own-sessions">
      <h2 id="own-sessions">My sessions</h2>
      {found.error === undefined ? null : <Failed error={found.error} retry={found.reload} />}
      {found.items.length === 0 ? (
        found.isOver ? (
          <p class="quiet">You have had none yet.</p>
        ) : (
          <Loading what="Fetching your sessions" />
        )
      ) : (
        <Table
          label="My sessions, newest first"
          rows={found.items}
          rowKey={({ id }) => id}
          columns={[
            {
              key: 'opened',
              head: (
                <>
                  Opened (<ZoneName />)
                </>
              ),
              cell: ({ openedAtMs }) => <Time ms={openedAtMs} withZone={false} />,
            },
            {
              key: 'where',
              head: 'Where',
              cell: ({ login, target }) => <Line text={`${login}@${target}`} />,
            },
            { key: 'from', head: 'From', cell: ({ sourceAddress }) => <Line text={sourceAddress} /> },
            {
              key: 'took',
              head: 'Took',
              cell: ({ openedAtMs, endedAtMs, state }) =>
                endedAtMs === undefined
                  ? state === 'open'
                    ? 'open now'
                    : 'unknown'
                  : duration(endedAtMs - openedAtMs),
            },
            {
              key: 'reviewed',
              head: 'Reviewed',
              cell: ({ reviewedBy }) => (reviewedBy.length === 0 ? <span class="quiet">no</span> : 'yes'),
            },
            { key: 'id', head: 'Id', cell: ({ id }) => <code>{id}</code> },
            {
              key: 'say',
              head: 'Your word',
              cell: ({ id }) => (
                <button type="button" class="button small" onClick={() => onContest(id)}>
                  Say something<span class="unseen"> about {id}</span>
                </button>
              ),
            },
          ]}
        />
      )}
      {found.isOver || found.items.length === 0 ? null : (
        <p>
          <button type="button" class="button" onClick={found.more} disabled={found.isFetching}>
            More
          </button>
        </p>
      )}
      <p class="quiet small">You cannot replay or review your own sessions here: that is for others to do.</p>
    </section>
  )
}

function Stored({ own: { categories, baseline } }: { own: OwnData }) {
  return (
    <section aria-labelledby="stored-head">
      <h2 id="stored-head">What is stored about me</h2>
      <Table
        label="What is stored, for how long, and who sees it"
        rows={categories}
        rowKey={({ name }) => name}
        columns={[
          { key: 'name', head: 'Category', cell: ({ name }) => <Line text={name} /> },
          { key: 'what', head: 'What', cell: ({ what }) => <Line text={what} /> },
          { key: 'kept', head: 'Kept for', cell: ({ keptFor }) => <Line text={keptFor} /> },
          { key: 'seen', head: 'Seen by', cell: ({ seenBy }) => <Line text={seenBy} /> },
        ]}
      />
      {baseline === undefined ? null : (
        <details class="card">
          <summary>What counts as usual for me</summary>
          <p class="quiet">
            Learnt from {baseline.events.toLocaleString('en')} events since <Time ms={baseline.sinceMs} />.
          </p>
          <ul>
            {baseline.text.map(line => (
              <li key={line}>
                <Line text={line} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  )
}

function Views({ own: { views } }: { own: OwnData }) {
  return (
    <section aria-labelledby="views-head">
      <h2 id="views-head">Who looked at my sessions</h2>
      {views.length === 0 ? (
        <p class="quiet">Nobody has, as far as the policy of this gateway tells you.</p>
      ) : (
        <Table
          label="Who looked at my sessions, newest first"
          rows={views}
          rowKey={({ atMs, session, by }) => `${atMs} ${session} ${by}`}
          columns={[
            {
              key: 'at',
              head: (
                <>
                  When (<ZoneName />)
                </>
              ),
              cell: ({ atMs }) => <Time ms={atMs} withZone={false} />,
            },
            { key: 'by', head: 'Who', cell: ({ by }) => <Line text={by} /> },
            { key: 'session', head: 'Session', cell: ({ session }) => <code>{session}</code> },
            { key: 'purpose', head: 'How', cell: ({ purpose }) => <Line text={purpose} /> },
          ]}
        />
      )}
    </section>
  )
}

function Findings({ own: { findings } }: { own: OwnData }) {
  if (findings.length === 0) return null
  return (
    <section aria-labelledby="own-findings">
      <h2 id="own-findings">Findings about my sessions that were decided</h2>
      <Table
        label="Findings that were closed"
        rows={findings}
        rowKey={({ id }) => id}
        columns={[
          { key: 'what', head: 'What', cell: ({ sentence }) => <Line text={sentence} /> },
          {
            key: 'closed',
            head: (
              <>
                Closed (<ZoneName />)
              </>
            ),
            cell: ({ closedAtMs }) => <Time ms={closedAtMs} withZone={false} />,
          },
          { key: 'reason', head: 'As', cell: ({ reason }) => <Line text={reason} /> },
          { key: 'id', head: 'Id', cell: ({ id }) => <code>{id}</code> },
        ]}
      />
    </section>
  )
}

function Contest({
  about,
  onAbout: setAbout,
  box,
}: {
  about: string
  onAbout: (id: string) => void
  box: RefObject<HTMLTextAreaElement | null>
}) {
  const [text, setText] = useState('')
  const [problem, setProblem] = useState('')
  const send = async (): Promise<void> => {
    const id = about.trim()
    const wish: ContestWish = { text: text.trim(), ...(id === '' ? {} : { session: id }) }
    try {
      await post('/me/contest', wish)
      setText('')
      setProblem('')
      say('It is kept with your session, for whoever reviews it.')
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
  }
  return (
    <section class="card" aria-labelledby="contest-head">
      <h2 id="contest-head">Say something about it</h2>
      <form
        onSubmit={event => {
          event.preventDefault()
          void send()
        }}
      >
        <p class="quiet">
          What you write is kept beside the findings of the session. Whoever reviews it reads it.
        </p>
        <label class="field">
          Session
          <input
            type="text"
            required
            value={about}
            autocomplete="off"
            spellcheck={false}
            onInput={event => setAbout(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          What you have to say
          <textarea
            ref={box}
            required
            maxLength={4000}
            value={text}
            onInput={event => setText(event.currentTarget.value)}
          />
        </label>
        <Problem text={problem} />
        <button type="submit" class="button" disabled={text.trim() === '' || about.trim() === ''}>
          Send
        </button>
      </form>
    </section>
  )
}

function Settings() {
  const [keys, setKeys] = useSetting('keys')
  return (
    <section class="card" aria-labelledby="settings-head">
      <h2 id="settings-head">This browser</h2>
      <label class="tick">
        <input
          type="checkbox"
          checked={keys === 'on'}
          onChange={event => setKeys(event.currentTarget.checked ? 'on' : 'off')}
        />
        Single letters are commands on lists (j, k, e …)
      </label>
    </section>
  )
}
