/** Proves the recording of one session, from its stored bytes, in this browser. */
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { SessionDetail } from '../../../../src/api/schema.ts'
import { get, getPieces } from '../../api.ts'
import { Line } from '../../parts/hidden.tsx'
import { Failed } from '../../parts/states.tsx'
import { changeQuery, Link } from '../../router.tsx'
import type { Checkpoint } from './checkpoint.ts'
import { Checks } from './checks.tsx'
import { growthBetween } from './growth.ts'
import { type Check, proveRecording, type RecordingProof } from './recording.ts'
import type { TrustedKey } from './trust.ts'

type Run =
  | { readonly at: 'running'; readonly bytes: number }
  | { readonly at: 'done'; readonly proof: RecordingProof; readonly growth: readonly Check[] }
  | { readonly at: 'failed'; readonly error: Error }

export function SessionPart({
  session,
  keys,
  newest,
}: {
  session: string
  keys: readonly TrustedKey[]
  newest: Checkpoint | undefined
}) {
  const id = useId()
  const [typed, setTyped] = useState(session)
  const [run, setRun] = useState<Run>()
  const stop = useRef<AbortController | undefined>(undefined)
  const start = (): void => {
    stop.current?.abort()
    const own = new AbortController()
    stop.current = own
    const say = (next: Run): void => void (own.signal.aborted || setRun(next))
    say({ at: 'running', bytes: 0 })
    prove(session, keys, newest, own.signal, bytes => say({ at: 'running', bytes })).then(
      say,
      (thrown: unknown) => say({ at: 'failed', error: thrown as Error }),
    )
  }
  useEffect(() => {
    setTyped(session)
    setRun(undefined)
    return () => stop.current?.abort()
  }, [session])
  useEffect(() => setRun(undefined), [keys])
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>A session</h2>
      <form
        class="row-of"
        onSubmit={event => {
          event.preventDefault()
          const wanted = typed.trim()
          if (wanted === session) start()
          else changeQuery({ session: wanted })
        }}
      >
        <label class="row-of">
          Session
          <input
            type="text"
            value={typed}
            pattern="[A-Za-z0-9_\-]{1,64}"
            required
            spellcheck={false}
            autocomplete="off"
            onInput={event => setTyped(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="button first" disabled={run?.at === 'running'}>
          {typed.trim() === session || session === '' ? 'Verify' : 'Choose'}
        </button>
        {session === '' ? null : <Link to={`/sessions/${encodeURIComponent(session)}`}>Open it</Link>}
      </form>
      <div role="status">{run?.at === 'running' ? <p class="quiet">{progressOf(run.bytes)}</p> : null}</div>
      {run?.at === 'failed' ? <Failed error={run.error} retry={start} /> : null}
      {run?.at === 'done' ? <Result run={run} /> : null}
      <p class="quiet small">
        Reading a recording is in the audit log, like watching it. The bytes are checked as they are stored,
        and are not shown.
      </p>
    </section>
  )
}

function progressOf(bytes: number): string {
  return `Fetched and checked ${(bytes / 1024 / 1024).toFixed(1)} MB…`
}

/** Also that the checkpoints which the recording carries are ones of the log that the gateway shows now. */
async function prove(
  session: string,
  keys: readonly TrustedKey[],
  newest: Checkpoint | undefined,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<Run> {
  const path = `/sessions/${encodeURIComponent(session)}`
  // Asked before: what ends meanwhile has no seal in what is fetched, and that is no fault.
  const { state } = await get<SessionDetail>(path, undefined, signal)
  const pieces = await getPieces(`${path}/recording`, signal)
  const proof = await proveRecording(counted(pieces, onProgress), { session, keys, isOver: state !== 'open' })
  const growth = newest === undefined ? [] : await growthOf(proof.checkpoints, newest, signal)
  return { at: 'done', proof, growth }
}

async function* counted(pieces: AsyncIterable<Uint8Array>, onProgress: (bytes: number) => void) {
  let bytes = 0
  for await (const piece of pieces) {
    bytes += piece.length
    onProgress(bytes)
    yield piece
  }
}

async function growthOf(
  checkpoints: readonly Checkpoint[],
  newest: Checkpoint,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const checkpoint of checkpoints.filter(one => one.origin === newest.origin)) {
    const check = await growthBetween(checkpoint, newest, signal)
    if (!checks.some(({ name }) => name === check.name)) checks.push(check)
  }
  return checks
}

function Result({ run: { proof, growth } }: { run: Extract<Run, { at: 'done' }> }) {
  const all = [...proof.checks, ...growth]
  const failed = all.filter(({ state }) => state === 'failed').length
  const open = all.filter(({ state }) => state === 'not-checked').length
  return (
    <>
      <p class={`note ${failed > 0 ? 'bad' : open > 1 ? '' : 'good'}`} role="status">
        <Line text={summary(proof, failed, open)} />
      </p>
      <Checks all={all} label="What was checked of the recording" />
    </>
  )
}

function summary({ records, bytes }: RecordingProof, failed: number, open: number): string {
  const size = `${records} records, ${bytes.toLocaleString('en')} bytes`
  if (failed > 0) return `Do not rely on this recording: ${failed} of its claims failed. (${size})`
  const notChecked = open === 1 ? 'One thing was not checked' : `${open} things were not checked`
  return `Nothing failed. ${open === 0 ? '' : `${notChecked}: see below. `}(${size})`
}
