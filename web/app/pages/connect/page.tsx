/** What whoever is signed in may reach, and the lines to copy for it. For everybody, not for auditors alone. */
import { useState } from 'preact/hooks'
import type { ConnectView, Password, PasswordWish } from '../../../../src/api/schema.ts'
import { post, useResource } from '../../api.ts'
import { Copy } from '../../parts/copy.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { withMarks } from '../../parts/hidden-text.ts'
import { Line, Lines } from '../../parts/hidden.tsx'
import { Empty, Shown } from '../../parts/states.tsx'
import { Time } from '../../parts/time.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Link } from '../../router.tsx'
import './connect.css'

type Place = ConnectView['places'][number]

/** So many places are shown without asking what to look for. */
const manyPlaces = 8

export function Page() {
  const connect = useResource<ConnectView>('/connect')
  const [filter, setFilter] = useState('')
  return (
    <>
      <div class="page-head">
        <h1>Connect</h1>
        <Link to="/me" class="push">
          My sessions, and what is stored about me
        </Link>
      </div>
      <p class="quiet">
        What you may open now, with the clients that you have. Policy decides again at each connection, and
        every session is recorded.
      </p>
      <Shown resource={connect} what="Looking up what you may reach">
        {({ places, browserSignIn }) =>
          places.length === 0 ? (
            <Empty title="There is nothing that you may open now">
              <p>
                Roles, their hours and the network that you come from decide. Ask the people who run this
                gateway.
              </p>
            </Empty>
          ) : (
            <>
              {places.length < manyPlaces ? null : (
                <label class="field connect-filter">
                  Filter
                  <input
                    type="search"
                    value={filter}
                    autocomplete="off"
                    spellcheck={false}
                    onInput={event => setFilter(event.currentTarget.value)}
                  />
                </label>
              )}
              {places.some(({ protocol }) => protocol === 'postgres') ? (
                <AboutPassword browserSignIn={browserSignIn} />
              ) : null}
              <div class="places">
                {places
                  .filter(place => isMet(place, filter))
                  .map(place => (
                    <PlaceCard key={`${place.protocol} ${place.target}`} place={place} />
                  ))}
              </div>
            </>
          )
        }
      </Shown>
    </>
  )
}

/** What the lines for PostgreSQL cannot say. */
function AboutPassword({ browserSignIn }: { browserSignIn: boolean }) {
  return (
    <p class="quiet">
      psql and JDBC tools ask for a password: paste one that you make here.
      {browserSignIn ? (
        <>
          {' '}
          Or type <code>browser</code> there, and confirm the link that psql shows in a browser on the same
          machine.
        </>
      ) : null}
    </p>
  )
}

type LineToCopy = { readonly name: string; readonly text: string; readonly of: string }

/** What to do where a client does not know who made the gateway's certificate. */
function Authority({ lines }: { lines: readonly LineToCopy[] }) {
  if (lines.length === 0) return null
  return (
    <details class="authority">
      <summary>It says that the root certificate does not exist?</summary>
      <p class="small">
        Then it does not know whom to trust. <code>authority.pem</code> in these lines stands for the file
        with the certificate of your company’s authority: ask the people who run this gateway for it. Where a
        public authority made the gateway’s certificate, psql 16 and later take{' '}
        <code>sslrootcert=system</code>, and JDBC takes{' '}
        <code>sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory</code> in its place.
      </p>
      <LineList lines={lines} />
    </details>
  )
}

function LineList({ lines }: { lines: readonly LineToCopy[] }) {
  return (
    <dl class="lines">
      {lines.map(({ name, text, of }) => (
        <div key={`${name} ${text}`}>
          <dt>
            <Line text={name} />
          </dt>
          <dd>
            <pre>
              <Lines text={text} />
            </pre>
            <Copy text={text} label="Copy" name={withMarks(`${name} for ${of}`)} />
          </dd>
        </div>
      ))}
    </dl>
  )
}

function isMet({ target, logins, labels }: Place, filter: string): boolean {
  const text = [target, ...logins, ...Object.entries(labels).flat()].join(' ').toLowerCase()
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word))
}

function PlaceCard({ place }: { place: Place }) {
  const [asking, ask] = useState<string>()
  const labels = Object.entries(place.labels).map(([name, value]) => `${name}: ${value}`)
  return (
    <section class="card place" aria-label={withMarks(place.target)}>
      <header class="row-of">
        <h2>
          <Line text={place.target} />
        </h2>
        <span class="badge quiet">{place.protocol === 'ssh' ? 'SSH' : 'PostgreSQL'}</span>
        <span class="quiet small">
          <Line text={labels.join(', ')} />
        </span>
      </header>
      <LineList lines={place.lines.map(({ name, text }) => ({ name, text, of: place.target }))} />
      <Authority
        lines={place.lines.flatMap(({ name, withAuthority }) =>
          withAuthority === undefined
            ? []
            : [{ name: `${name}, with a private authority`, text: withAuthority, of: place.target }],
        )}
      />
      {place.takesPassword ? (
        <p class="row-of">
          {place.logins.map(login => (
            <button type="button" key={login} class="button" onClick={() => ask(login)}>
              {`Password for ${login}…`}
            </button>
          ))}
        </p>
      ) : null}
      {asking === undefined ? null : (
        <PasswordDialog wish={{ target: place.target, login: asking }} onClose={() => ask(undefined)} />
      )}
    </section>
  )
}

/** Made when it is asked for, held by this dialog alone, and gone with it. */
function PasswordDialog({ wish, onClose }: { wish: PasswordWish; onClose: () => void }) {
  const [made, setMade] = useState<Password>()
  const [problem, setProblem] = useState('')
  const [isBusy, setBusy] = useState(false)
  const make = async (): Promise<void> => {
    setBusy(true)
    try {
      setMade(await post<Password>('/connect/password', wish))
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
    setBusy(false)
  }
  return (
    <Dialog title={made === undefined ? 'A password for once' : 'Your password'} onClose={onClose}>
      <div>
        {made === undefined ? (
          <>
            <p>
              For <Line text={`${wish.login}@${wish.target}`} />. It is shown this once, works once, and only
              for you.
            </p>
            <Problem text={problem} class="note bad" />
            <button type="button" class="button first" disabled={isBusy} onClick={() => void make()}>
              Make it
            </button>
          </>
        ) : (
          <Made made={made} wish={wish} onClose={onClose} />
        )}
      </div>
    </Dialog>
  )
}

function Made({ made, wish, onClose }: { made: Password; wish: PasswordWish; onClose: () => void }) {
  const { password, validUntilMs, connections, line, lineWithAuthority } = made
  return (
    <>
      <p class="row-of password">
        <output aria-label="Password">{password}</output>
        <Copy text={password} label="Copy" name="the password" />
      </p>
      <p>
        psql asks for a password: paste it there. Nothing is shown there while you paste. It works{' '}
        {connections === 1 ? 'once' : `for ${connections} connections`}, until <Time ms={validUntilMs} />.
      </p>
      <p class="row-of">
        <code>
          <Line text={line} />
        </code>
        <Copy text={line} label="Copy" name="the line" />
      </p>
      {lineWithAuthority === undefined ? null : (
        <Authority
          lines={[{ name: 'psql, with a private authority', text: lineWithAuthority, of: wish.target }]}
        />
      )}
      <p class="note warn">
        It is a secret. Whoever has it can work under your name as long as it counts. Do not put it on a
        command line, into a chat or a file.
      </p>
      <button type="button" class="button" onClick={onClose}>
        Done
      </button>
    </>
  )
}
