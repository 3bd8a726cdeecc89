/** Who, where, when, and what one can do about it: the same on top of every session. */
import type { Integrity, SessionDetail } from '../../../src/api/schema.ts'
import { apiBase } from '../api.ts'
import { Line } from '../parts/hidden.tsx'
import { MenuButton } from '../parts/menu.tsx'
import { duration, textOf, Time } from '../parts/time.tsx'
import { Link } from '../router.tsx'
import { useSetting } from '../settings.ts'
import { HeldBadge, LiveButtons } from './end.tsx'

const integrityTexts: Readonly<Record<Integrity, { word: string; look: string; says: string }>> = {
  verified: {
    word: 'Verified',
    look: 'good',
    says: 'The recording is whole, sealed and in the log of sessions.',
  },
  unverified: { word: 'Not verified', look: 'quiet', says: 'Nobody has verified the recording yet.' },
  failed: { word: 'Damaged', look: 'bad', says: 'The recording is not what was sealed. Do not rely on it.' },
  live: { word: 'Live', look: 'good', says: 'The session goes on, and is sealed when it ends.' },
  interrupted: {
    word: 'Interrupted',
    look: 'warn',
    says: 'The gateway ended before the session did: its end may be missing.',
  },
  removed: { word: 'Removed', look: 'warn', says: 'The recording was removed by the policy of retention.' },
}

export function IntegrityBadge({
  is,
  checkedAtMs,
  isEncrypted = false,
}: {
  is: Integrity
  checkedAtMs?: number | undefined
  isEncrypted?: boolean
}) {
  const [zone] = useSetting('zone')
  const at = checkedAtMs === undefined ? '' : ` Looked at ${textOf(checkedAtMs, zone)}.`
  const { word, look, says } = integrityTexts[is]
  return (
    <span class="row-of">
      <span class={`badge ${look}`} title={`${says}${at}`}>
        <span aria-hidden="true">
          {is === 'verified' ? '✓' : is === 'failed' ? '✗' : is === 'live' ? '●' : '○'}
        </span>{' '}
        {word}
      </span>
      {isEncrypted ? (
        <span class="badge quiet" title="Only auditors who have a key can read what was recorded.">
          Encrypted
        </span>
      ) : null}
    </span>
  )
}

/** `exports` are formats of `sallyport export` that make sense for the protocol. */
const downloads: Readonly<Record<SessionDetail['protocol'], readonly (readonly [string, string])[]>> = {
  ssh: [
    ['asciicast-v2', 'Terminal recording (asciicast v2)'],
    ['asciicast-v3', 'Terminal recording (asciicast v3)'],
    ['text', 'Text as it was shown'],
    ['csv', 'Commands (CSV)'],
    ['ndjson', 'Commands (JSON lines)'],
    ['files-csv', 'Files (CSV)'],
    ['json', 'All events (JSON lines)'],
    ['html', 'A page that plays offline'],
    ['bundle', 'Evidence with its proofs (bundle)'],
  ],
  postgres: [
    ['sql', 'Statements (SQL)'],
    ['csv', 'Statements (CSV)'],
    ['ndjson', 'Statements (JSON lines)'],
    ['json', 'All events (JSON lines)'],
    ['text', 'Text'],
    ['bundle', 'Evidence with its proofs (bundle)'],
  ],
}

export function SessionHead({ detail, reload }: { detail: SessionDetail; reload: () => void }) {
  const { openedAtMs, endedAtMs, state } = detail
  return (
    <header class="session-head">
      <div class="page-head">
        <h1>
          <Line text={detail.principal} /> <span aria-hidden="true">→</span>
          <span class="unseen">to</span> <Line text={`${detail.login}@${detail.target}`} />
        </h1>
        <IntegrityBadge
          is={detail.integrity}
          checkedAtMs={detail.checkedAtMs}
          isEncrypted={detail.encrypted}
        />
        <HeldBadge held={detail.held} />
        <div class="row-of push">
          <Link class="button small" to={`/compare?a=${detail.id}`}>
            Compare
          </Link>
          <Downloads detail={detail} />
          <a
            class="button small"
            href={`${apiBase}/sessions/${detail.id}/report`}
            target="_blank"
            rel="noreferrer"
          >
            Print report
          </a>
          {detail.state === 'open' && detail.mayEnd ? (
            <LiveButtons session={detail} onChanged={reload} />
          ) : null}
        </div>
      </div>
      <p class="quiet session-when">
        <Time ms={openedAtMs} /> –{' '}
        {endedAtMs === undefined ? state === 'open' ? 'now' : 'unknown' : <Time ms={endedAtMs} />}
        {endedAtMs === undefined ? null : ` · ${duration(endedAtMs - openedAtMs)}`} · from{' '}
        <Line text={detail.sourceAddress} /> · role <Line text={detail.role} />
        {whyOf(detail).map(({ name, value }) => (
          <span key={name}>
            {' '}
            · {name}: <Line text={value} max={300} />
          </span>
        ))}
        {detail.endReason === undefined ? null : (
          <>
            {' '}
            · <Line text={detail.endReason} />
          </>
        )}
      </p>
    </header>
  )
}

/** Why the person came, and who let them, as far as it was asked. */
function whyOf({ facts }: SessionDetail): SessionDetail['facts'] {
  return facts.filter(
    ({ name, isEmpty }) => isEmpty !== true && ['reason', 'ticket', 'approver'].includes(name),
  )
}

function Downloads({ detail }: { detail: SessionDetail }) {
  const at = `${apiBase}/sessions/${detail.id}`
  const formats = detail.encrypted ? [] : downloads[detail.protocol]
  return (
    <MenuButton
      label="Download"
      class="button small"
      items={[
        ...formats.map(([format, name]) => ({ name, href: `${at}/exports/${format}` })),
        { name: 'The recording as it is stored', href: `${at}/recording` },
      ]}
    />
  )
}
