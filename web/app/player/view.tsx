/** The player and what stands beside it. The address says where one is, how fast, and what is beside. */
import type { ComponentChildren } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { EntryView, FindingSummary, SessionDetail } from '../../../src/api/schema.ts'
import { apiBase } from '../api.ts'
import { Copy, copyText } from '../parts/copy.tsx'
import { Line } from '../parts/hidden.tsx'
import { type Tab, Tabs } from '../parts/tabs.tsx'
import { changeQuery, useRoute } from '../router.tsx'
import { useSetting } from '../settings.ts'
import { CommentsPart } from '../session/comments.tsx'
import { DetailsPart } from '../session/details.tsx'
import type { Entries } from '../session/entries.ts'
import { type Findings, FindingsPart } from '../session/findings.tsx'
import { Bar } from './bar.tsx'
import { CommandsPart } from './commands.tsx'
import { FilesPart } from './files.tsx'
import { HelpDialog } from './help.tsx'
import { type Act, actOf } from './keys.ts'
import { marksOf } from './mark.ts'
import { momentProblem, momentText, readMoment } from './moment.ts'
import { type Player, type Snapshot, speeds } from './player.ts'
import { SearchPart } from './search.tsx'
import type { Source } from './source.ts'
import { isAwaited, type Jump, jumpTo, leadMs, neighbour, type Stop, stopsOf } from './stops.ts'
import { Transcript } from './transcript.tsx'
import { Notices, Transport } from './transport.tsx'
import { type Playing, usePlaying, useSnapshot } from './use-player.ts'
import { useWatchedReport, WatchedPart } from './watched.tsx'

type ViewProps = {
  readonly detail: SessionDetail
  readonly source: Source
  readonly commands: Entries
  readonly files: Entries
  readonly findings: Findings
  /** It goes on: there is a now to go to. */
  readonly isLive: boolean
  /** What screens showed, where this page has it itself; the gateway is asked otherwise. */
  readonly screens: readonly EntryView[] | undefined
  readonly onPlayer: (player: Player) => void
  /** Where one stood when the session was over while one watched it: there one stays. */
  readonly stood: { current: number | undefined }
}

export function PlayerView(props: ViewProps) {
  const host = useRef<HTMLDivElement>(null)
  const playing = usePlaying(props.source, host)
  return (
    <div class="player-page">
      <Region playing={playing} {...props}>
        <div
          class="terminal-box"
          tabIndex={playing === undefined ? -1 : 0}
          role="group"
          aria-label="Screen. Its text is in the transcript below."
        >
          <div class="terminal-host" ref={host} />
        </div>
      </Region>
    </div>
  )
}

type RegionProps = ViewProps & { readonly playing: Playing | undefined; readonly children: ComponentChildren }

/** The same element before and after the terminal is there: it is drawn into it. */
function Region(props: RegionProps) {
  const { playing, children } = props
  const region = useRef<HTMLElement>(null)
  /** What keys do, once there is something to do it with. */
  const acting = useRef<(act: Act) => void>(() => {})
  const jumps = useRef<Jumps>({})
  return (
    <>
      <section
        class="player"
        ref={region}
        tabIndex={-1}
        aria-label="Player. Press ? for its keys"
        onKeyDown={event => {
          if (copySelection(event, playing)) return
          const wanted = actOf(event)
          if (wanted === undefined) return
          event.preventDefault()
          acting.current(wanted)
        }}
      >
        {children}
        {playing === undefined ? (
          <p class="quiet">Loading the terminal…</p>
        ) : (
          <Controls {...props} playing={playing} region={region} acting={acting} jumps={jumps} />
        )}
      </section>
      {playing === undefined ? null : <Side {...props} playing={playing} jumps={jumps} />}
    </>
  )
}

/** Where one went last, of each kind. What was shown then is told by the player, which was asked for it. */
type Jumps = { command?: Jump | undefined; finding?: Jump | undefined }

function commandStop({ number, offsetMs }: EntryView): Stop {
  return { key: number, atMs: offsetMs }
}

/** The terminal's own selection is no selection of the page. */
function copySelection(event: KeyboardEvent, playing: Playing | undefined): boolean {
  if (!(event.ctrlKey || event.metaKey) || event.key !== 'c') return false
  const text = playing?.screen.selection() ?? ''
  if (text === '') return false
  event.preventDefault()
  void copyText(text, 'the selection')
  return true
}

function Controls({
  playing: { player, screen },
  region,
  acting,
  jumps,
  detail,
  commands,
  findings,
  isLive,
  onPlayer,
  stood,
}: ViewProps & {
  readonly playing: Playing
  readonly region: { readonly current: HTMLElement | null }
  readonly acting: { current: (act: Act) => void }
  readonly jumps: { readonly current: Jumps }
}) {
  const at = useSnapshot(player)
  const [isHelping, setHelping] = useState(false)
  const hits = useHits()
  const marks = useMemo(
    () => marksOf(findings.items, commands.items, detail.openedAtMs),
    [findings.items, commands.items],
  )
  useWatchedReport(detail.id, player)
  const problem = useAddress(player, at, { detail, isLive, stood })
  useEffect(() => {
    onPlayer(player)
    const isFree = document.activeElement === document.body || document.activeElement?.id === 'main'
    if (isFree) region.current?.focus({ preventScroll: true })
  }, [player])
  const act = useActs({
    player,
    screen,
    at,
    commands: commands.items,
    findings: findings.items,
    openedAtMs: detail.openedAtMs,
    isLive,
    region,
    jumps,
    onHelp: () => setHelping(true),
  })
  acting.current = act
  useHistory(player, screen, at)
  return (
    <>
      {problem === undefined ? null : (
        <p class="note warn" role="status">
          <Line text={problem} />
        </p>
      )}
      <Notices player={player} at={at} />
      <Bar
        info={player.info}
        positionMs={at.positionMs}
        commands={commands.items}
        marks={marks}
        hits={hits}
        onSeek={ms => void player.seek(ms)}
        onChanged={findings.reload}
      />
      <Transport player={player} at={at} isLive={isLive}>
        <Copy text={() => linkTo(player.snapshot)} label="Copy link" name="a link to this moment" />
        {detail.encrypted ? null : (
          <a
            class="button small"
            href={`${apiBase}/sessions/${detail.id}/report?frames=${Math.round(at.positionMs)}`}
            aria-label="Print screen: a report with the screen at this moment"
            target="_blank"
            rel="noreferrer"
          >
            Print screen
          </a>
        )}
        <button type="button" class="icon" aria-label="Full screen" onClick={() => act('fullscreen')}>
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" class="shape">
            <path d="M1 5V1h4M11 1h4v4M15 11v4h-4M5 15H1v-4" />
          </svg>
        </button>
        <button
          type="button"
          class="icon"
          aria-label="Keys of the player"
          aria-keyshortcuts="?"
          onClick={() => setHelping(true)}
        >
          ?
        </button>
      </Transport>
      {findings.error === undefined && commands.error === undefined ? null : (
        <p class="note warn">Marks are missing above: what was noticed, or done, could not be fetched.</p>
      )}
      <Transcript screen={screen} at={at} />
      {isHelping ? <HelpDialog onClose={() => setHelping(false)} /> : null}
    </>
  )
}

/** Hits of the search beside, for the bar. */
let hitListeners: ((moments: readonly number[]) => void)[] = []
function useHits(): readonly number[] {
  const [hits, setHits] = useState<readonly number[]>([])
  useEffect(() => {
    hitListeners.push(setHits)
    return () => {
      hitListeners = hitListeners.filter(listen => listen !== setHits)
    }
  }, [])
  return hits
}

/** The moment of the address is sought first; later, the address follows where one stops. Gives what is wrong with that moment. */
function useAddress(
  player: Player,
  at: Snapshot,
  { detail, isLive, stood }: Pick<ViewProps, 'detail' | 'isLive' | 'stood'>,
): string | undefined {
  const { query } = useRoute()
  const begun = useRef(false)
  const [problem, setProblem] = useState<string>()
  useEffect(() => {
    const speed = Number(query.get('speed'))
    if (speeds.some(one => one === speed)) player.setSpeed(speed)
    if (query.get('skip') === 'off') player.setSkipsIdle(false)
    const moment = readMoment(query.get('t'), detail.openedAtMs)
    setProblem(momentProblem(query.get('t'), { ...player.info, isLive }))
    if (isLive && moment === undefined) void player.follow()
    else void player.seek(moment ?? stood.current ?? 0, false)
  }, [player])
  useEffect(() => {
    if (isLive && at.state !== 'loading' && at.state !== 'seeking') stood.current = at.positionMs
  }, [isLive, at.state, at.positionMs])
  useEffect(() => {
    if (at.state !== 'paused' && at.state !== 'ended') return
    if (!begun.current) {
      begun.current = true
      return
    }
    const moment = at.isFollowing || at.positionMs === 0 ? undefined : momentText(at.positionMs)
    changeQuery(addressOf(at, moment), { replace: true })
  }, [at.state, at.state === 'playing' ? 0 : at.positionMs, at.speed, at.skipsIdle])
  return problem
}

function addressOf({ speed, skipsIdle }: Snapshot, moment: string | undefined) {
  return { t: moment, speed: speed === 1 ? undefined : String(speed), skip: skipsIdle ? undefined : 'off' }
}

function linkTo(at: Snapshot): string {
  const url = new URL(location.href)
  const change = addressOf(at, momentText(at.positionMs))
  for (const [key, value] of Object.entries(change)) {
    if (value === undefined) url.searchParams.delete(key)
    else url.searchParams.set(key, value)
  }
  return url.href
}

type Acting = {
  readonly player: Player
  readonly screen: Playing['screen']
  readonly at: Snapshot
  readonly commands: readonly EntryView[]
  readonly findings: readonly FindingSummary[]
  readonly openedAtMs: number
  readonly isLive: boolean
  readonly region: { readonly current: HTMLElement | null }
  readonly jumps: { readonly current: Jumps }
  readonly onHelp: () => void
}

function useActs(acting: Acting): (act: Act) => void {
  const [theme, setTheme] = useSetting('theme')
  /** One page after the other: the first may have to be drawn. */
  const scrolling = useRef(Promise.resolve())
  const { player, screen, region, openedAtMs, jumps } = acting
  const seekBy = (ms: number): void => void player.seek(player.snapshot.positionMs + ms)
  const goTo = (kind: keyof Jumps, stops: readonly Stop[], direction: 1 | -1): void => {
    const to = neighbour(stops, player.snapshot.positionMs, jumps.current[kind], direction)
    if (to === undefined) return
    jumps.current[kind] = to
    void player.seek(to.fromMs)
  }
  const goToCommand = (direction: 1 | -1): void =>
    goTo('command', stopsOf(acting.commands, commandStop), direction)
  const goToFinding = (direction: 1 | -1): void => {
    const stopOf = ({ id, atMs }: FindingSummary): Stop => ({ key: id, atMs: Math.max(0, atMs - openedAtMs) })
    goTo('finding', stopsOf(acting.findings, stopOf), direction)
  }
  const acts: Readonly<Record<Act, () => void>> = {
    toggle: () => player.toggle(),
    back: () => seekBy(-5000),
    forward: () => seekBy(5000),
    'back-far': () => seekBy(-60_000),
    'forward-far': () => seekBy(60_000),
    'event-before': () => void player.step(-1),
    'event-after': () => void player.step(1),
    'command-before': () => goToCommand(-1),
    'command-after': () => goToCommand(1),
    'finding-before': () => goToFinding(-1),
    'finding-after': () => goToFinding(1),
    start: () => void player.seek(0),
    end: () => void player.seek(player.snapshot.durationMs, false),
    slower: () => player.setSpeed(speeds.findLast(speed => speed < player.snapshot.speed) ?? speeds[0]),
    faster: () => player.setSpeed(speeds.find(speed => speed > player.snapshot.speed) ?? 16),
    skip: () => player.setSkipsIdle(!player.snapshot.skipsIdle),
    'page-up': () => {
      scrolling.current = scrolling.current.then(async () => {
        if (screen.isAtTop) await deepen(player, screen)
        screen.scrollPages(-1)
        await screen.flush()
      })
    },
    'page-down': () => screen.scrollPages(1),
    search: () => document.getElementById(searchId)?.focus(),
    comment: () => {
      player.pause() // at this moment, whatever time the words take
      changeQuery({ tab: 'comments' }, { replace: true })
      setTimeout(() => document.getElementById(commentId)?.focus(), 50)
    },
    'copy-link': () => void copyText(linkTo(player.snapshot), 'a link to this moment'),
    theme: () => setTheme(isDark(theme) ? 'light' : 'dark'),
    fullscreen: () =>
      void (document.fullscreenElement === null
        ? region.current?.requestFullscreen()
        : document.exitFullscreen()),
    live: () => {
      if (acting.isLive) void player.follow()
    },
    help: acting.onHelp,
  }
  return act => acts[act]()
}

function isDark(theme: string): boolean {
  return theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches)
}

/** So many keyframes further back a screen is drawn from, when somebody scrolls back beyond what is there. */
const historyKeyframes = 6

/** Gets what was before what can be scrolled to, and stays at the same line. */
async function deepen(player: Player, screen: Playing['screen']): Promise<void> {
  const { fromEnd } = screen
  if (await player.deepen(historyKeyframes)) screen.scrollLines(-fromEnd)
}

/** Scrolling up with the wheel where nothing is above does that, too. */
function useHistory(player: Player, screen: Playing['screen'], at: Snapshot): void {
  const isBusy = useRef(false)
  useEffect(() => {
    const listen = (event: WheelEvent): void => {
      if (event.deltaY >= 0 || at.state !== 'paused' || !screen.isAtTop || isBusy.current) return
      if (!(event.target instanceof Element) || event.target.closest('.terminal-host') === null) return
      isBusy.current = true
      void deepen(player, screen).finally(() => {
        isBusy.current = false
      })
    }
    addEventListener('wheel', listen, { passive: true })
    return () => removeEventListener('wheel', listen)
  }, [player, at.state])
}

/** Who only moved files ran no commands. */
function firstTab(commands: Entries, files: Entries): string {
  return commands.isComplete && commands.items.length === 0 && files.items.length > 0 ? 'files' : 'commands'
}

/** Nothing where it is not known. */
function countOf({ items, error }: Entries): number | undefined {
  return error !== undefined && items.length === 0 ? undefined : items.length
}

const searchId = 'session-search'
const commentId = 'session-comment'

function Side({
  playing: { player },
  detail,
  commands,
  files,
  findings,
  screens,
  jumps,
}: ViewProps & { readonly playing: Playing; readonly jumps: { readonly current: Jumps } }) {
  const at = useSnapshot(player)
  const { query } = useRoute()
  const seek = (ms: number): void => void player.seek(ms)
  const { command } = jumps.current
  const goToCommand = (number: EntryView['number']): void => {
    const stops = stopsOf(commands.items, commandStop)
    const to = jumpTo(
      stops,
      stops.findIndex(({ key }) => key === number),
    )
    jumps.current.command = to
    if (to !== undefined) seek(to.fromMs)
  }
  const tabs: readonly Tab[] = [
    {
      key: 'commands',
      name: 'Commands',
      count: countOf(commands),
      panel: () => (
        <CommandsPart
          entries={commands}
          positionMs={at.positionMs}
          awaited={isAwaited(command, at.positionMs) ? Number(command?.key) : undefined}
          onGo={goToCommand}
        />
      ),
    },
    {
      key: 'files',
      name: 'Files',
      count: countOf(files),
      panel: () => <FilesPart entries={files} onSeek={seek} />,
    },
    {
      key: 'findings',
      name: 'Findings',
      count: findings.error === undefined ? findings.items.length : undefined,
      panel: () => (
        <FindingsPart
          found={findings}
          openedAtMs={detail.openedAtMs}
          onSeek={ms => seek(Math.max(0, ms - leadMs))}
        />
      ),
    },
    {
      key: 'comments',
      name: 'Comments',
      panel: () => (
        <CommentsPart session={detail.id} offsetMs={at.positionMs} onSeek={seek} inputId={commentId} />
      ),
    },
    {
      key: 'details',
      name: 'Details',
      panel: () => (
        <>
          <DetailsPart detail={detail} />
          <WatchedPart session={detail.id} durationMs={at.durationMs} />
        </>
      ),
    },
  ]
  return (
    <aside class="side" aria-label="About this session">
      <SearchPart
        session={detail.id}
        commands={commands.items}
        screens={screens}
        inputId={searchId}
        onHits={moments => {
          for (const listen of hitListeners) listen(moments)
        }}
        onSeek={seek}
      />
      <Tabs
        label="About this session"
        tabs={tabs}
        selected={query.get('tab') ?? firstTab(commands, files)}
        onSelect={key => changeQuery({ tab: key }, { replace: true })}
      />
    </aside>
  )
}
