/** A session at a terminal: replayed, or as it goes on. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Replay, SessionDetail } from '../../../src/api/schema.ts'
import { useResource } from '../api.ts'
import { Failed, Loading } from '../parts/states.tsx'
import { Line } from '../parts/hidden.tsx'
import { Time } from '../parts/time.tsx'
import { LiveSource } from '../player/live.ts'
import type { Player } from '../player/player.ts'
import { type Source, StoredSource } from '../player/source.ts'
import type { OpenedSource } from '../player/sealed.ts'
import type { SealedFound } from '../player/sealed-entries.ts'
import { type Entries, useEntries } from '../session/entries.ts'
import { PlayerView } from '../player/view.tsx'
import { changeQuery } from '../router.tsx'
import { DetailsPart } from '../session/details.tsx'
import { useFindings } from '../session/findings.tsx'
import { openedDetail, SealedPart } from '../session/sealed-part.tsx'
import type { SessionViewProps } from './session.tsx'

export function View({ detail, reload }: SessionViewProps) {
  const stood = useRef<number>(undefined)
  const { removed } = detail.recording
  if (removed !== undefined)
    return (
      <>
        <p class="note warn">
          The recording was removed <Time ms={removed.atMs} /> by <Line text={removed.rule} />. What is known
          of the session besides is here.
        </p>
        <DetailsPart detail={detail} />
      </>
    )
  if (detail.encrypted) return <Sealed detail={detail} />
  return detail.state === 'open' ? (
    <Live detail={detail} reload={reload} stood={stood} />
  ) : (
    <Stored detail={detail} stood={stood} />
  )
}

type Stood = { current: number | undefined }

function Stored({ detail, stood }: { detail: SessionDetail; stood: Stood }) {
  const replay = useResource<Replay>(`/sessions/${detail.id}/replay`)
  const source = useSource(
    replay.state === 'ready' ? replay.data : undefined,
    info => new StoredSource(detail.id, info),
  )
  if (replay.state === 'failed') return <Failed error={replay.error} retry={replay.retry} />
  if (source === undefined) return <Loading what="Preparing the recording" />
  return <WithEntries detail={detail} source={source} isLive={false} stood={stood} />
}

/** Made once for what it is made of. The player that gets it closes it. */
function useSource<T>(from: T | undefined, make: (from: T) => Source): Source | undefined {
  const [source, setSource] = useState<Source>()
  useEffect(() => {
    if (from !== undefined) setSource(make(from))
  }, [from])
  return source
}

function Live({ detail, reload, stood }: SessionViewProps & { stood: Stood }) {
  const [source, setSource] = useState<LiveSource | { error: Error }>()
  const [ended, setEnded] = useState<string>()
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    const opened: { source?: LiveSource; isGone: boolean } = { isGone: false }
    setSource(undefined)
    LiveSource.open(detail.id).then(
      source => {
        if (opened.isGone) return source.close()
        opened.source = source
        source.onEnd = end => setEnded(end.text === '' ? 'The session has ended.' : end.text)
        setSource(source)
      },
      (error: unknown) => setSource({ error: error as Error }),
    )
    return () => {
      opened.isGone = true
      opened.source?.close()
    }
  }, [detail.id, turn])
  if (source === undefined) return <Loading what="Connecting to the session" />
  if ('error' in source) return <Failed error={source.error} retry={() => setTurn(turn + 1)} />
  return (
    <>
      {ended === undefined ? null : (
        <p class="note warn row-of" role="status">
          <Line text={ended} />
          <button
            type="button"
            class="button small"
            onClick={() => {
              changeQuery({ live: undefined }, { replace: true })
              setEnded(undefined)
              reload()
              setTurn(turn + 1)
            }}
          >
            Load again
          </button>
        </p>
      )}
      <WithEntries
        detail={detail}
        source={source}
        isLive={ended === undefined}
        stood={stood}
        onPlayer={player => {
          source.onGrown = () => player.grown()
          source.onMoved = () => void player.moved()
        }}
      />
    </>
  )
}

function Sealed({ detail }: { detail: SessionDetail }) {
  return (
    <SealedPart<OpenedSource>
      detail={detail}
      open={async (...key) => {
        const { openSealed } = await import('../player/sealed.ts')
        return openSealed(detail.id, detail.openedAtMs, ...key)
      }}
    >
      {({ source, found }) => (
        <WithEntries
          detail={found === undefined ? detail : openedDetail(detail, found.facts)}
          source={source}
          isLive={false}
          found={foundHere(found)}
        />
      )}
    </SealedPart>
  )
}

const unreadable = new Error('This page could not find out what happened. The recording itself plays.')

function foundHere(found: SealedFound | undefined) {
  const of = (items: SealedFound['commands'] | undefined): Entries =>
    items === undefined ? { items: [], isComplete: false, error: unreadable } : { items, isComplete: true }
  return { commands: of(found?.commands), files: of(found?.files), screens: found?.screens ?? [] }
}

function WithEntries({
  detail,
  source,
  isLive,
  found,
  onPlayer = () => {},
  stood = { current: undefined },
}: {
  detail: SessionDetail
  source: Source
  isLive: boolean
  /** What this page has read itself. */
  found?: Pick<SealedFound, 'screens'> & { readonly commands: Entries; readonly files: Entries }
  onPlayer?: (player: Player) => void
  /** Where somebody stood who watched it when it ended. */
  stood?: Stood
}) {
  const ofSession = (path: string): string | undefined =>
    found === undefined ? `/sessions/${detail.id}/${path}` : undefined
  const commands = useEntries(ofSession('commands'), isLive)
  const files = useEntries(ofSession('files'), isLive)
  const findings = useFindings(detail.id)
  return (
    <PlayerView
      detail={detail}
      source={source}
      commands={found === undefined ? commands : found.commands}
      files={found === undefined ? files : found.files}
      findings={findings}
      isLive={isLive}
      screens={found?.screens}
      onPlayer={onPlayer}
      stood={stood}
    />
  )
}
