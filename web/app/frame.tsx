/** What all pages have around them: the ways to the others, the search box, the clock, and who is signed in. */
import type { ComponentType } from 'preact'
import { useEffect, useErrorBoundary, useRef, useState } from 'preact/hooks'
import type { FindingCounts, Me, SessionPage } from '../../src/api/schema.ts'
import { get, setSignedIn, useResource } from './api.ts'
import { signedIn } from './me.ts'
import { Line } from './parts/hidden.tsx'
import { Said } from './parts/said.tsx'
import { Empty, Failed, Loading, Shown, signInAddress } from './parts/states.tsx'
import { textOf, Time } from './parts/time.tsx'
import { Link, navigate, useRoute } from './router.tsx'
import { firstPath, pageAt, type PageProps } from './routes.ts'
import { type Theme, useSetting } from './settings.ts'
import { useTitle } from './title.ts'

const places: readonly { readonly to: string; readonly name: string; readonly isLater?: boolean }[] = [
  { to: '/sessions', name: 'Sessions' },
  { to: '/live', name: 'Live' },
  { to: '/findings', name: 'Findings' },
  { to: '/requests', name: 'Requests', isLater: true },
  { to: '/access-reviews', name: 'Access reviews', isLater: true },
  { to: '/policy', name: 'Policies' },
  { to: '/integrity', name: 'Integrity' },
  { to: '/connect', name: 'Connect' },
]

export function Frame() {
  const me = useResource<Me>('/me')
  const { path } = useRoute()
  useEffect(() => {
    if (path === '/') navigate(firstPath, { replace: true })
  }, [path])
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      {me.state === 'ready' ? (
        <SignedIn me={me.data} />
      ) : (
        <main id="main" tabIndex={-1}>
          <Shown resource={me} what="Signing in" isPage>
            {() => null}
          </Shown>
        </main>
      )}
      <Said />
    </>
  )
}

/** Not by the address: that is the page's own. */
function skip(event: MouseEvent): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function SignedIn({ me }: { me: Me }) {
  setSignedIn(me)
  useSetting('zone') // whoever changes it sees it on all of the page at once
  const { path } = useRoute()
  const counts = useCounts(me.mayReview)
  return (
    <signedIn.Provider value={me}>
      <div class="frame">
        <TopBar me={me} />
        <nav class="rail" aria-label="Pages">
          <ul>
            {places.map(({ to, name, isLater }) => (
              <li key={name}>
                <Link
                  to={to}
                  class={isLater ? 'later' : ''}
                  aria-current={path === to || path.startsWith(`${to}/`) ? 'page' : undefined}
                >
                  {name} {isLater ? <small>later</small> : <Count of={counts[name]} />}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <main id="main" tabIndex={-1}>
          <SignInEnds me={me} />
          <CurrentPage key={pageAt(path)?.route.path ?? 'none'} path={path} />
        </main>
      </div>
    </signedIn.Provider>
  )
}

/** How often the numbers beside the pages are asked for. Milliseconds. */
const countsEveryMs = 60_000

/** What waits: sessions that go on, and findings that nobody has looked at. Without an answer there is no number. */
function useCounts(mayReview: boolean): Readonly<Record<string, number | undefined>> {
  const live = useResource<SessionPage>(mayReview ? '/sessions' : undefined, { state: 'open', limit: 1 })
  const findings = useResource<FindingCounts>(mayReview ? '/findings/counts' : undefined)
  const reload = useRef(() => {})
  reload.current = () => {
    for (const one of [live, findings])
      if (one.state === 'ready') one.reload()
      else if (one.state === 'failed') one.retry()
  }
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && reload.current(), countsEveryMs)
    return () => clearInterval(timer)
  }, [])
  return {
    Live: live.state === 'ready' ? live.data.total : undefined,
    Findings: findings.state === 'ready' ? findings.data.new : undefined,
  }
}

function Count({ of }: { of: number | undefined }) {
  return of === undefined || of === 0 ? null : <span class="count number">{of.toLocaleString('en')}</span>
}

/** Said so long before a sign-in is over. Milliseconds. */
const warnMs = 5 * 60_000

/** So that nobody loses what they write: they sign in beside it, and come back. */
function SignInEnds({ me }: { me: Me }) {
  const [{ signedInUntilMs, gateway }, setMe] = useState(me)
  const [isSoon, setSoon] = useState(false)
  useEffect(() => setMe(me), [me])
  useEffect(() => {
    setSoon(false)
    const leftMs = signedInUntilMs - gateway.timeMs - warnMs
    // Timers take 24 days at most; no sign-in lasts so long.
    const timer = setTimeout(() => setSoon(true), Math.max(0, Math.min(leftMs, 2 ** 31 - 1)))
    return () => clearTimeout(timer)
  }, [signedInUntilMs])
  useEffect(() => {
    if (!isSoon) return
    const look = (): void => {
      get<Me>('/me').then(
        now => {
          if (now.name !== me.name) return
          setSignedIn(now)
          setMe(now)
        },
        () => {}, // it is said where something is asked for; what is written here stays
      )
    }
    addEventListener('focus', look)
    return () => removeEventListener('focus', look)
  }, [isSoon])
  if (!isSoon) return null
  return (
    <p class="note warn" role="alert">
      Your sign-in ends at <Time ms={signedInUntilMs} />.{' '}
      <a href={signInAddress()} target="_blank" rel="noopener">
        Sign in again in a new window
      </a>
      , and come back: what you are writing stays.
    </p>
  )
}

type Loaded = { readonly Page: ComponentType<PageProps> } | { readonly error: Error } | undefined

function CurrentPage({ path }: { path: string }) {
  const found = pageAt(path)
  const [loaded, setLoaded] = useState<Loaded>()
  const [fault, forget] = useErrorBoundary()
  const load = (): void => {
    setLoaded(undefined)
    found?.route.load().then(setLoaded, (thrown: unknown) => setLoaded({ error: thrown as Error }))
  }
  useEffect(load, [])
  useTitle(found?.route.title ?? 'Not found')
  useFocusOnNewPage(path)
  if (found === undefined) return <NotFound />
  if (fault !== undefined) return <Failed error={fault as Error} retry={forget} isPage />
  if (loaded === undefined) return <Loading what="Loading the page" isPage />
  if ('error' in loaded) return <Failed error={loaded.error} retry={load} isPage />
  return <loaded.Page names={found.names} />
}

/** Whoever hears the page is told that it is another one. Not on the first. */
function useFocusOnNewPage(path: string): void {
  const shown = useRef(path)
  useEffect(() => {
    if (shown.current === path) return
    shown.current = path
    document.getElementById('main')?.focus({ preventScroll: true })
    scrollTo(0, 0)
  }, [path])
}

function NotFound() {
  return (
    <Empty title="There is no such page" isPage>
      <p>
        <Link to={firstPath}>Go to the sessions</Link>
      </p>
    </Empty>
  )
}

function TopBar({ me }: { me: Me }) {
  return (
    <header class="top">
      <Link to={firstPath} class="brand">
        Sallyport
      </Link>
      <span class="gateway">
        <Line text={me.gateway.name} />
      </span>
      <SearchBox />
      <Clock gatewayMs={me.gateway.timeMs} />
      <ThemeChoice />
      <div class="who">
        <Link to="/me">
          <Line text={me.name} />
        </Link>
      </div>
    </header>
  )
}

/** `/` goes there from anywhere but a field to type in. */
function SearchBox() {
  const { path, query } = useRoute()
  const input = useRef<HTMLInputElement>(null)
  const asked = path === '/search' ? (query.get('q') ?? '') : ''
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (
        event.key !== '/' ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        event.defaultPrevented ||
        isTyping(event)
      )
        return
      event.preventDefault()
      input.current?.focus()
    }
    addEventListener('keydown', listen)
    return () => removeEventListener('keydown', listen)
  }, [])
  return (
    <form
      role="search"
      aria-label="Everything"
      class="search"
      onSubmit={event => {
        event.preventDefault()
        const wanted = input.current?.value.trim() ?? ''
        if (wanted !== '') navigate(`/search?q=${encodeURIComponent(wanted)}`)
      }}
    >
      <input
        key={asked}
        ref={input}
        type="search"
        name="q"
        aria-label="Search everything"
        aria-keyshortcuts="/"
        placeholder="Search commands, statements, files, people"
        defaultValue={asked}
        autocomplete="off"
        spellcheck={false}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  )
}

/** Nobody writes letters into these. */
const notTyped: ReadonlySet<string> = new Set(['checkbox', 'radio', 'button'])

export function isTyping(event: KeyboardEvent): boolean {
  const at = event.target
  if (!(at instanceof HTMLElement)) return false
  if (at instanceof HTMLInputElement && notTyped.has(at.type) && at.closest('dialog') === null) return false
  return at.isContentEditable || at.closest('input, textarea, select, dialog, .terminal-box') !== null
}

/** The gateway's time, not the browser's, which may be wrong. */
function Clock({ gatewayMs }: { gatewayMs: number }) {
  const [zone, setZone] = useSetting('zone')
  const ahead = useRef(gatewayMs - Date.now())
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const text = textOf(now + ahead.current, zone)
  return (
    <button
      type="button"
      class="clock"
      title={zone === 'utc' ? 'Show local times' : 'Show UTC'}
      onClick={() => setZone(zone === 'utc' ? 'local' : 'utc')}
    >
      {text.slice(11)}
      <span class="unseen">. Times are {zone === 'utc' ? 'UTC: show local ones' : 'local: show UTC'}</span>
    </button>
  )
}

const themes: readonly { readonly value: Theme; readonly name: string }[] = [
  { value: 'system', name: 'System' },
  { value: 'light', name: 'Light' },
  { value: 'dark', name: 'Dark' },
]

function ThemeChoice() {
  const [theme, setTheme] = useSetting('theme')
  return (
    <select
      class="theme"
      aria-label="Theme"
      value={theme}
      onChange={event => setTheme(event.currentTarget.value as Theme)}
    >
      {themes.map(({ value, name }) => (
        <option key={value} value={value} selected={value === theme}>
          {name}
        </option>
      ))}
    </select>
  )
}
