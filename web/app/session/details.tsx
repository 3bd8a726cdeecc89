/** All that is known of a session besides what happened in it, and the way to its proof. */
import type { SessionDetail } from '../../../src/api/schema.ts'
import { Copy } from '../parts/copy.tsx'
import { Line } from '../parts/hidden.tsx'
import { Time } from '../parts/time.tsx'
import { Link } from '../router.tsx'

export function DetailsPart({ detail }: { detail: SessionDetail }) {
  const { recording, labels, facts } = detail
  const lines: readonly (readonly [
    name: string,
    value: string | undefined,
    isEmpty?: boolean | undefined,
  ])[] = [
    ['person', detail.principal],
    ['issuer', detail.issuer],
    ['subject', detail.subject],
    ['from', detail.sourceAddress],
    ['login', detail.login],
    ['target', detail.target],
    [
      'labels',
      Object.entries(labels)
        .map(([name, value]) => `${name}: ${value}`)
        .join(', ') || undefined,
    ],
    ['role', detail.role],
    ...facts.map(({ name, value, isEmpty }) => [name, value, isEmpty] as const),
    ['ended because', detail.endReason],
    [
      'recording',
      recording.bytes === undefined ? undefined : `${recording.bytes.toLocaleString('en')} bytes`,
    ],
    ['SHA-256', recording.sha256 ?? unknownHash(detail), recording.sha256 === undefined],
    ['reviewed by', detail.reviewedBy.join(', ') || undefined],
  ]
  return (
    <div class="details-part">
      <dl class="facts">
        <div>
          <dt>session</dt>
          <dd>
            <code>{detail.id}</code> <Copy text={detail.id} label="Copy" name="the session’s id" />
          </dd>
        </div>
        {lines.map(([name, value, isEmpty]) =>
          value === undefined ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd class={isEmpty === true ? 'quiet' : undefined}>
                <Line text={value} />
              </dd>
            </div>
          ),
        )}
        <div>
          <dt>kept until</dt>
          <dd>
            <Kept recording={recording} />
          </dd>
        </div>
      </dl>
      {recording.removed === undefined && detail.state !== 'open' ? <Verify detail={detail} /> : null}
    </div>
  )
}

function unknownHash({ recording, state }: SessionDetail): string | undefined {
  if (recording.removed !== undefined) return undefined
  return state === 'open' ? 'known when the session has ended' : 'known once the recording was verified'
}

function Verify({ detail }: { detail: SessionDetail }) {
  const command = 'sallyport verify . --key keys/keys.json'
  return (
    <>
      <p>
        <Link class="button" to={`/integrity?session=${encodeURIComponent(detail.id)}`}>
          Verify in this browser
        </Link>
      </p>
      {detail.encrypted ? null : (
        <p class="small">
          Elsewhere: download <em>Evidence with its proofs</em>, unpack it, and run there{' '}
          <code>{command}</code> <Copy text={command} label="Copy" name="the command" />
        </p>
      )}
    </>
  )
}

function Kept({ recording: { removed, holds, keepUntilMs } }: { recording: SessionDetail['recording'] }) {
  if (removed !== undefined)
    return (
      <>
        removed <Time ms={removed.atMs} /> by <Line text={removed.rule} />
      </>
    )
  if (holds > 0) return <>a hold is lifted</>
  return keepUntilMs === undefined ? <>no rule says until when</> : <Time ms={keepUntilMs} />
}
