/** What proves that nothing was taken away: the log of sessions, its keys and copies, and one recording at a time, verified in this browser. */
import { useEffect, useState } from 'preact/hooks'
import type { IntegrityView } from '../../../../src/api/schema.ts'
import { getBytes, useResource } from '../../api.ts'
import { Copy } from '../../parts/copy.tsx'
import { Line } from '../../parts/hidden.tsx'
import { Empty, Shown } from '../../parts/states.tsx'
import { Table } from '../../parts/table.tsx'
import { Ago, Time, ZoneName } from '../../parts/time.tsx'
import { useRoute } from '../../router.tsx'
import type { Checkpoint } from './checkpoint.ts'
import { CheckBadge, Checks } from './checks.tsx'
import { growthBetween } from './growth.ts'
import { checkCheckpoint, type OpenedCheckpoint } from './log-checks.ts'
import { pinsNow, pinsOfAddress } from './pins.ts'
import type { Check } from './recording.ts'
import { SessionPart } from './session-part.tsx'
import { TrustPart } from './trust-part.tsx'
import { believe, type Believed, type Pin } from './trust.ts'
import './integrity.css'

type CheckedCheckpoint = IntegrityView['checkpoints'][number] & OpenedCheckpoint

export function Page() {
  const view = useResource<IntegrityView>('/integrity')
  return (
    <>
      <div class="page-head">
        <h1>Integrity</h1>
      </div>
      <Shown resource={view} what="Fetching checkpoints and keys">
        {data => <Log view={data} />}
      </Shown>
    </>
  )
}

const nobody: Believed = { keys: [], strangers: [] }

function Log({ view }: { view: IntegrityView }) {
  const { query } = useRoute()
  const [pins, setPins] = useState<readonly Pin[]>(pinsNow)
  const believed = useBelieved(pins)
  const checkpoints = useChecked(view, believed)
  useEffect(() => void pinsOfAddress().then(setPins), [])
  const newest = checkpoints[0]?.checkpoint
  return (
    <div class="integrity">
      <TrustPart pins={pins} believed={believed} onPins={setPins} />
      <SessionPart session={query.get('session') ?? ''} keys={believed.keys} newest={newest} />
      <Checkpoints view={view} checkpoints={checkpoints} />
      <Kept view={view} believed={believed} newest={newest} />
      <Keys view={view} believed={believed} />
      <Publishers view={view} />
      <Limits />
    </div>
  )
}

function useBelieved(pins: readonly Pin[]): Believed {
  const [list, setList] = useState<string>()
  const [believed, setBelieved] = useState<Believed>(nobody)
  useEffect(() => {
    getBytes('/integrity/keys').then(
      bytes => setList(new TextDecoder().decode(bytes)),
      () => setList(''),
    )
  }, [])
  useEffect(() => {
    if (list === undefined) return
    let isCurrent = true
    void believe(list, pins).then(believed => isCurrent && setBelieved(believed))
    return () => {
      isCurrent = false
    }
  }, [list, pins])
  return believed
}

function useChecked(view: IntegrityView, believed: Believed): readonly CheckedCheckpoint[] {
  const [checked, setChecked] = useState<readonly CheckedCheckpoint[]>([])
  useEffect(() => {
    let isCurrent = true
    const { origin, checkpoints } = view
    void Promise.all(
      checkpoints.map(async one => ({
        ...one,
        ...(await checkCheckpoint(one.note, { origin, keys: believed.keys })),
      })),
    ).then(all => {
      if (isCurrent) setChecked(all.toSorted((a, b) => b.size - a.size))
    })
    return () => {
      isCurrent = false
    }
  }, [view, believed])
  return checked
}

function Checkpoints({
  view,
  checkpoints,
}: {
  view: IntegrityView
  checkpoints: readonly CheckedCheckpoint[]
}) {
  const [growth, setGrowth] = useState<readonly Check[]>()
  const [problem, setProblem] = useState('')
  const compare = (): void => {
    setProblem('')
    growthOver(checkpoints).then(setGrowth, (thrown: unknown) => setProblem((thrown as Error).message))
  }
  return (
    <section aria-labelledby="log-head">
      <div class="page-head">
        <h2 id="log-head">
          Log of sessions <Line text={view.origin} />
        </h2>
        <span class="quiet">{view.treeSize.toLocaleString('en')} entries</span>
        <button type="button" class="button small push" onClick={compare} disabled={checkpoints.length < 2}>
          Check that it only grew
        </button>
      </div>
      {checkpoints.length === 0 ? (
        <Empty title="No checkpoint yet">
          <p>The log signs one a second after the first session.</p>
        </Empty>
      ) : (
        <Table
          label="Checkpoints of the log of sessions, newest first"
          rows={checkpoints}
          rowKey={({ size, atMs }) => `${size} ${atMs}`}
          columns={[
            { key: 'size', head: 'Entries', cell: ({ size }) => size.toLocaleString('en') },
            {
              key: 'at',
              head: (
                <>
                  Signed (<ZoneName />)
                </>
              ),
              // A log's first checkpoint covers nothing, and so no time is known of it.
              cell: ({ atMs, size }) => (size === 0 ? '–' : <Time ms={atMs} withZone={false} />),
            },
            {
              key: 'state',
              head: 'Signature',
              cell: ({ check }) => (
                <>
                  <CheckBadge state={check.state} /> <span class="small">{check.says}</span>
                </>
              ),
            },
            {
              key: 'note',
              head: 'Note',
              cell: ({ note, size }) => (
                <Copy text={note} label="Copy" name={`the checkpoint of ${size} entries`} />
              ),
            },
          ]}
        />
      )}
      {problem === '' ? null : (
        <p class="note bad" role="alert">
          <Line text={problem} />
        </p>
      )}
      {growth === undefined ? null : <Checks all={growth} label="Growth of the log" />}
    </section>
  )
}

/** Each with the one before: then all of them are of one log. */
async function growthOver(checkpoints: readonly CheckedCheckpoint[]): Promise<readonly Check[]> {
  const all = checkpoints
    .flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint]))
    .toReversed()
  const checks: Check[] = []
  for (const [index, later] of all.entries()) {
    const earlier = all[index - 1]
    if (earlier !== undefined && earlier.size !== later.size) checks.push(await growthBetween(earlier, later))
  }
  return checks
}

/** A checkpoint that somebody kept where the gateway's operator cannot reach it. */
function Kept({
  view,
  believed,
  newest,
}: {
  view: IntegrityView
  believed: Believed
  newest: Checkpoint | undefined
}) {
  const [text, setText] = useState('')
  const [checks, setChecks] = useState<readonly Check[]>([])
  const compare = async (): Promise<void> => {
    const note = text.endsWith('\n') ? text : `${text}\n`
    const { checkpoint, check } = await checkCheckpoint(note, { origin: view.origin, keys: believed.keys })
    if (checkpoint === undefined || newest === undefined) return setChecks([check])
    if (checkpoint.size > newest.size)
      return setChecks([
        check,
        {
          name: 'Growth',
          state: 'failed',
          says: `The log has fewer entries now than the ${checkpoint.size} that it had then.`,
        },
      ])
    setChecks([check, await growthBetween(checkpoint, newest)])
  }
  return (
    <details class="card">
      <summary>Compare with a checkpoint that you kept</summary>
      <form
        onSubmit={event => {
          event.preventDefault()
          compare().catch((thrown: unknown) =>
            setChecks([{ name: 'Growth', state: 'not-checked', says: (thrown as Error).message }]),
          )
        }}
      >
        <label class="field">
          The checkpoint, as it was copied or published
          <textarea
            rows={6}
            value={text}
            spellcheck={false}
            onInput={event => setText(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="button" disabled={text.trim() === ''}>
          Compare
        </button>
      </form>
      <Checks all={checks} label="The checkpoint that was kept" />
    </details>
  )
}

const reasons = {
  pinned: 'you pinned it',
  heir: 'a pinned key endorsed it',
  listed: 'a believed key signed the list',
}

function Keys({ view, believed }: { view: IntegrityView; believed: Believed }) {
  return (
    <section aria-labelledby="keys-head">
      <h2 id="keys-head">Keys</h2>
      <Table
        label="Public keys of the gateway"
        rows={view.keys}
        rowKey={({ purpose, keyId }) => `${purpose} ${keyId}`}
        columns={[
          { key: 'id', head: 'Fingerprint', cell: ({ keyId }) => <code>{keyId}</code> },
          { key: 'purpose', head: 'For', cell: ({ purpose }) => <Line text={purpose} /> },
          { key: 'state', head: 'State', cell: ({ state }) => <Line text={state} /> },
          {
            key: 'by',
            head: 'You believe it',
            cell: ({ keyId }) => {
              const known = believed.keys.find(key => key.keyId === keyId)
              return known === undefined ? <span class="quiet">no</span> : `yes: ${reasons[known.by]}`
            },
          },
          {
            key: 'pem',
            head: 'PEM',
            cell: ({ publicKeyPem, keyId }) => (
              <Copy text={publicKeyPem} label="Copy" name={`the key ${keyId}`} />
            ),
          },
        ]}
      />
    </section>
  )
}

function Publishers({ view }: { view: IntegrityView }) {
  return (
    <section aria-labelledby="publishers-head">
      <h2 id="publishers-head">Copies elsewhere</h2>
      {view.publishers.length === 0 ? (
        <p class="note warn">
          Checkpoints are sent nowhere. Somebody who has the gateway and its keys could write its log anew:
          keep a checkpoint yourself, or have it sent to places that they do not have.
        </p>
      ) : (
        <Table
          label="Places that get each checkpoint"
          rows={view.publishers}
          rowKey={({ place }) => place}
          columns={[
            { key: 'place', head: 'Place', cell: ({ place }) => <Line text={place} /> },
            {
              key: 'last',
              head: 'Last',
              cell: ({ lastMs }) => (lastMs === undefined ? 'never' : <Ago ms={lastMs} />),
            },
            {
              key: 'problem',
              head: 'State',
              cell: ({ problem }) =>
                problem === undefined ? (
                  'has the newest'
                ) : (
                  <span class="bad">
                    <Line text={problem} />
                  </span>
                ),
            },
          ]}
        />
      )}
    </section>
  )
}

function Limits() {
  return (
    <section class="card" aria-labelledby="limits-head">
      <h2 id="limits-head">What this page cannot show</h2>
      <ul class="sentences">
        <li>
          The gateway sends this page. Whoever controls the gateway could send another one. To depend on
          nothing of it, take out an evidence bundle and run <code>sallyport verify</code> or{' '}
          <code>verify.py</code> elsewhere.
        </li>
        <li>Chunks are not inflated here: only their hashes and counts are checked.</li>
        <li>
          That a session was never recorded at all shows in the log of sessions only if it was opened. The
          gateway opens no connection before.
        </li>
        <li>
          The audit log has a chain of its own, checked by <code>sallyport verify</code>.
        </li>
      </ul>
    </section>
  )
}
