/** One finding in full: why, the evidence, what may be harmless about it, who did what with it. */
import { useState } from 'preact/hooks'
import type { FindingDetail, SessionDetail } from '../../../../src/api/schema.ts'
import { post, useResource } from '../../api.ts'
import { Line, Lines } from '../../parts/hidden.tsx'
import { MenuButton } from '../../parts/menu.tsx'
import { Severity } from '../../parts/severity.tsx'
import { Failed, Shown } from '../../parts/states.tsx'
import { Ago, offsetOf, Time } from '../../parts/time.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Link } from '../../router.tsx'
import type { MiniPlayer } from '../../player/mini.tsx'
import { EndDialog } from '../../session/end.tsx'
import { momentOf } from '../search/groups.ts'
import {
  AssignDialog,
  CloseDialog,
  EscalateDialog,
  ReopenDialog,
  LiftDialog,
  SuppressDialog,
  UnmaskDialog,
} from './dialogs.tsx'
import { type Snooze, snoozes } from './snooze.ts'
import { Why } from './why.tsx'

export type DetailProps = {
  readonly id: string
  readonly onAcknowledge: (finding: FindingDetail) => void
  readonly onAssign: (finding: FindingDetail, to: string) => void
  readonly onSnooze: (finding: FindingDetail, how: Snooze) => void
  /** Something was decided: lists are not what they were. */
  readonly onChanged: () => void
}

export function Detail(props: DetailProps) {
  const found = useResource<FindingDetail>(`/findings/${encodeURIComponent(props.id)}`)
  const again = (): void => {
    if (found.state === 'ready') found.reload()
    props.onChanged()
  }
  return (
    <Shown resource={found} what="Opening the finding">
      {finding => <Finding {...props} finding={finding} onChanged={again} />}
    </Shown>
  )
}

type Props = DetailProps & { readonly finding: FindingDetail }

function Finding(props: Props) {
  const { finding } = props
  // What is wrong with a log is about no session.
  const path = finding.session === '' ? undefined : `/sessions/${encodeURIComponent(finding.session)}`
  const found = useResource<SessionDetail>(path)
  const session = found.state === 'ready' ? found.data : undefined
  return (
    <article class="finding" aria-labelledby="finding-head">
      <Head finding={finding} />
      {finding.mayDecide ? (
        <Actions {...props} session={session} />
      ) : (
        <p class="note" role="note">
          You decide nothing here: <Line text={finding.refusal ?? 'your roles do not review this session.'} />
        </p>
      )}
      <Unmaskings {...props} />
      <Suppressions finding={finding} />
      <Proposal finding={finding} />
      <Why finding={finding} />
      <Evidence finding={finding} session={session} />
      <Harmless finding={finding} />
      <Context finding={finding} />
      <History finding={finding} />
      <Versions finding={finding} />
    </article>
  )
}

function Head({ finding }: { finding: FindingDetail }) {
  const { severity, sentence, state, principal, target, session, atMs, assignee, isMasked } = finding
  return (
    <header>
      <p class="row-of">
        <Severity is={severity} /> <span class="badge quiet">{state}</span>
        {finding.unusualness === undefined ? null : (
          <span class="quiet">unusualness {finding.unusualness.toFixed(1)}</span>
        )}
        <span class="quiet">
          <Time ms={atMs} />
        </span>
      </p>
      <h2 id="finding-head">
        <Line text={sentence} />
      </h2>
      <p class="row-of">
        <span>
          <Line text={principal} />
          {isMasked ? (
            <span class="badge quiet" title="A pseudonym: the name is shown once two reviewers agree.">
              pseudonym
            </span>
          ) : null}{' '}
          {target === '' ? null : (
            <>
              on <Line text={target} />
            </>
          )}
        </span>
        {session === '' ? (
          <Link to="/integrity">Integrity</Link>
        ) : (
          <Link to={`/sessions/${encodeURIComponent(session)}`}>Open the session</Link>
        )}
        <span class="quiet">
          {assignee === undefined ? (
            'nobody has taken it'
          ) : (
            <>
              taken by <Line text={assignee} />
            </>
          )}
        </span>
        {finding.snoozedUntilMs === undefined ? null : (
          <span class="quiet">
            snoozed until <Time ms={finding.snoozedUntilMs} />
          </span>
        )}
        {finding.similar === 0 ? null : (
          <Link to={`/findings?rule=${encodeURIComponent(finding.rules[0] ?? '')}`}>
            {finding.similar} similar
          </Link>
        )}
      </p>
    </header>
  )
}

type Asking = 'assign' | 'close' | 'suppress' | 'lift' | 'escalate' | 'unmask' | 'reopen' | 'end'

/** Undefined while it is not known, or is not for the asker. */
type WithSession = { readonly session: SessionDetail | undefined }

function Actions({ finding, session, onAcknowledge, onAssign, onSnooze, onChanged }: Props & WithSession) {
  const [asking, ask] = useState<Asking>()
  const live = session?.state === 'open' && session.mayEnd ? session : undefined
  const close = (isDone: boolean): void => {
    ask(undefined)
    if (isDone) onChanged()
  }
  const dialog = { findings: [finding], onClose: close }
  return (
    <div class="row-of finding-actions">
      {finding.state === 'new' ? (
        <button type="button" class="button" onClick={() => onAcknowledge(finding)} aria-keyshortcuts="e">
          Acknowledge
        </button>
      ) : null}
      {finding.state === 'closed' ? (
        <button type="button" class="button" onClick={() => ask('reopen')}>
          Open again…
        </button>
      ) : (
        <>
          <MenuButton
            label="Assign"
            class="button"
            items={[
              { name: 'To me', onSelect: () => onAssign(finding, 'me') },
              { name: 'To nobody', onSelect: () => onAssign(finding, 'nobody') },
              ...(finding.isMasked ? [] : [{ name: 'To somebody…', onSelect: () => ask('assign') }]),
            ]}
          />
          <MenuButton
            label="Snooze"
            class="button"
            items={snoozes.map(how => ({ name: how.says, onSelect: () => onSnooze(finding, how) }))}
          />
          <button type="button" class="button" onClick={() => ask('close')}>
            Close…
          </button>
          <button type="button" class="button" onClick={() => ask('escalate')}>
            Escalate…
          </button>
          <button type="button" class="button" onClick={() => ask('suppress')}>
            Suppress…
          </button>
        </>
      )}
      {finding.suppressions.length === 0 ? null : (
        <button type="button" class="button" onClick={() => ask('lift')}>
          Show again…
        </button>
      )}
      {finding.isMasked ? (
        <button type="button" class="button" onClick={() => ask('unmask')}>
          Ask for the name…
        </button>
      ) : null}
      {live === undefined ? null : (
        <button type="button" class="button danger" onClick={() => ask('end')}>
          End session…
        </button>
      )}
      {asking === 'assign' ? <AssignDialog {...dialog} /> : null}
      {asking === 'close' ? <CloseDialog {...dialog} /> : null}
      {asking === 'suppress' ? <SuppressDialog {...dialog} /> : null}
      {asking === 'lift' ? <LiftDialog {...dialog} /> : null}
      {asking === 'escalate' ? <EscalateDialog {...dialog} /> : null}
      {asking === 'reopen' ? <ReopenDialog {...dialog} /> : null}
      {asking === 'unmask' ? <UnmaskDialog {...dialog} /> : null}
      {asking === 'end' && live !== undefined ? <EndDialog session={live} onClose={close} /> : null}
    </div>
  )
}

/** What keeps others like it out of the queue: whose word that is, and until when. */
function Suppressions({ finding }: { finding: FindingDetail }) {
  return (
    <>
      {finding.suppressions.map(({ by, scope, untilMs, rationale }) => (
        <p key={`${by} ${untilMs} ${scope}`} class="note" role="note">
          <Line text={by} /> suppresses what is like it {scopeWords[scope]} until <Time ms={untilMs} />:{' '}
          <Line text={rationale} />
        </p>
      ))}
    </>
  )
}

const scopeWords: Readonly<Record<FindingDetail['suppressions'][number]['scope'], string>> = {
  'rule-person': 'of this person',
  'rule-target': 'on this target',
  rule: 'everywhere that they review',
}

/** Whoever approves is somebody else than who asked: the gateway says who may. */
function Unmaskings({ finding, onChanged }: Props) {
  const [problem, setProblem] = useState('')
  const decide = async (request: string, approve: boolean): Promise<void> => {
    try {
      await post(`/findings/${encodeURIComponent(finding.id)}/unmaskings/${encodeURIComponent(request)}`, {
        approve,
      })
      onChanged()
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
  }
  if (finding.unmaskings.length === 0) return null
  return (
    <section class="note" aria-label="Requests for the name">
      {finding.unmaskings.map(({ id, by, caseId, reason, mayApprove }) => (
        <div key={id}>
          <p>
            <Line text={by} /> asks for the name, case <Line text={caseId} />: <Line text={reason} />
          </p>
          {mayApprove ? (
            <p class="row-of">
              <button type="button" class="button" onClick={() => void decide(id, true)}>
                Approve
              </button>
              <button type="button" class="button" onClick={() => void decide(id, false)}>
                Deny
              </button>
            </p>
          ) : (
            <p class="quiet">Somebody else has to approve.</p>
          )}
        </div>
      ))}
      <Problem text={problem} />
    </section>
  )
}

function Proposal({ finding: { proposal } }: { finding: FindingDetail }) {
  if (proposal === undefined) return null
  return (
    <p class="note">
      <Line text={proposal.by} /> proposes to close it ({proposal.reason}): <Line text={proposal.rationale} />
      . A second reviewer closes it, or leaves it open.
    </p>
  )
}

function Evidence({ finding, session }: WithSession & { finding: FindingDetail }) {
  if (finding.quotes.length === 0) return null
  const isPlayable =
    session?.protocol === 'ssh' && !session.encrypted && session.recording.removed === undefined
  return (
    <section aria-labelledby="evidence-head">
      <h3 id="evidence-head">Evidence</h3>
      <ol class="evidence">
        {finding.quotes.map(({ entry, offsetMs, text }) => (
          <li key={`${entry} ${offsetMs}`}>
            <Link to={momentOf({ session: finding.session, offsetMs, entry })}>
              <span class="unseen">Show the moment </span>
              {offsetOf(offsetMs)}
            </Link>
            {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls */}
            <pre tabIndex={0} aria-label="What was recorded">
              <Lines text={text} />
            </pre>
            {isPlayable ? <Moment session={session} atMs={offsetMs} /> : null}
          </li>
        ))}
      </ol>
    </section>
  )
}

/** Loaded when somebody wants to see it: opening a recording is noted, and a terminal is large. */
function Moment({ session, atMs }: { session: SessionDetail; atMs: number }) {
  const [opened, setOpened] = useState<typeof MiniPlayer | Error>()
  const open = (): void => {
    import('../../player/mini.tsx').then(
      ({ MiniPlayer }) => setOpened(() => MiniPlayer),
      (thrown: unknown) => setOpened(thrown as Error),
    )
  }
  if (opened === undefined)
    return (
      <button type="button" class="button small" onClick={open}>
        Play ten seconds<span class="unseen"> around {offsetOf(atMs)}</span>
      </button>
    )
  if (opened instanceof Error) return <Failed error={opened} retry={open} />
  const Mini = opened
  return <Mini session={session} atMs={atMs} />
}

function Harmless({ finding: { benign, quality } }: { finding: FindingDetail }) {
  return (
    <>
      {benign.length === 0 ? null : (
        <section aria-labelledby="benign-head">
          <h3 id="benign-head">What may explain it</h3>
          <Sentences all={benign} />
        </section>
      )}
      {quality.length === 0 ? null : (
        <section aria-labelledby="quality-head">
          <h3 id="quality-head">How far this can be relied on</h3>
          <Sentences all={quality} />
        </section>
      )}
    </>
  )
}

function Sentences({ all }: { all: readonly string[] }) {
  return (
    <ul class="sentences">
      {all.map(text => (
        <li key={text}>
          <Line text={text} />
        </li>
      ))}
    </ul>
  )
}

function Context({ finding: { context, techniques, rules, principal } }: { finding: FindingDetail }) {
  return (
    <section aria-labelledby="context-head">
      <h3 id="context-head">Context</h3>
      <dl class="facts">
        {rules.length === 0 ? null : <Fact name="rules" value={rules.join(', ')} />}
        {techniques.length === 0 ? null : (
          <Fact name="ATT&CK" value={techniques.map(({ id, name }) => `${id} ${name}`).join(', ')} />
        )}
        {context.map(({ name, value }) => (
          <Fact key={name} name={name} value={value} />
        ))}
        {principal === '' ? null : (
          <div>
            <dt>Of the same person</dt>
            <dd>
              <Link to={`/findings?place=all&principal=${encodeURIComponent(principal)}`}>all findings</Link>
            </dd>
          </div>
        )}
      </dl>
    </section>
  )
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Line text={value} />
      </dd>
    </div>
  )
}

function History({ finding: { history } }: { finding: FindingDetail }) {
  return (
    <section aria-labelledby="history-head">
      <h3 id="history-head">History</h3>
      <ol class="history">
        {history.map(({ atMs, by, what, note }) => (
          <li key={`${atMs} ${what}`}>
            <Time ms={atMs} /> <Line text={by} />: <Line text={what} />
            {note === undefined || note === '' ? null : (
              <p>
                <Line text={note} />
              </p>
            )}
          </li>
        ))}
      </ol>
    </section>
  )
}

function Versions({ finding: { versions, createdAtMs, id } }: { finding: FindingDetail }) {
  return (
    <details class="quiet small">
      <summary>Made by</summary>
      <dl class="facts">
        <Fact name="finding" value={id} />
        {Object.entries(versions).map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
      <p>
        Found <Ago ms={createdAtMs} />.
      </p>
    </details>
  )
}
