/** What is asked before a decision that says something: nothing is chosen beforehand, and every one takes its reason along. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type {
  AssignWish,
  CloseReason,
  CloseWish,
  FindingSummary,
  LiftWish,
  ReopenWish,
  SuppressWish,
  UnmaskWish,
  VerdictWish,
} from '../../../../src/api/schema.ts'
import { post } from '../../api.ts'
import { useMe } from '../../me.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { Line } from '../../parts/hidden.tsx'
import { inputText, readInstant, zoneWords } from '../../parts/instant.ts'
import { Problem } from '../../parts/problem.tsx'
import { say } from '../../parts/said.tsx'
import { useSetting, type Zone } from '../../settings.ts'

/** As the gateway bounds it. */
const maxRationale = 2000
const dayMs = 86_400_000
/** The longest time for which a rule can be kept quiet at once. */
const maxSuppressDays = 365

type Asked = { readonly findings: readonly FindingSummary[]; readonly onClose: (isDone: boolean) => void }

/** Sends the same wish for each, in order, and says which were refused and why. */
function useDecision(path: string, { findings, onClose }: Asked, done: string) {
  const [problems, setProblems] = useState<readonly string[]>([])
  const [isBusy, setBusy] = useState(false)
  const send = async (wish: object): Promise<void> => {
    setBusy(true)
    const failed: string[] = []
    for (const { id } of findings)
      await post(`/findings/${encodeURIComponent(id)}/${path}`, wish).catch((thrown: unknown) => {
        failed.push((thrown as Error).message)
      })
    setBusy(false)
    setProblems([...new Set(failed)])
    if (failed.length > 0) return
    say(findings.length === 1 ? done : `${done} (${findings.length})`)
    onClose(true)
  }
  return { send, isBusy, problems }
}

function Form({
  decision,
  wish,
  isWhole,
  button,
  danger = false,
  children,
}: {
  decision: ReturnType<typeof useDecision>
  wish: () => object
  isWhole: boolean
  button: string
  danger?: boolean
  children: ComponentChildren
}) {
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        if (isWhole) void decision.send(wish())
      }}
    >
      {children}
      {decision.problems.map(problem => (
        <Problem key={problem} text={problem} />
      ))}
      <button
        type="submit"
        class={`button first ${danger ? 'danger' : ''}`}
        disabled={!isWhole || decision.isBusy}
      >
        {button}
      </button>
    </form>
  )
}

function Rationale({
  value,
  onChange,
  label,
}: {
  value: string
  onChange: (text: string) => void
  label: string
}) {
  return (
    <label class="field">
      {label}
      <textarea
        required
        maxLength={maxRationale}
        value={value}
        onInput={event => onChange(event.currentTarget.value)}
      />
    </label>
  )
}

function Choice<T extends string>({
  legend,
  choices,
  chosen,
  onChoose,
}: {
  legend: string
  choices: readonly { readonly value: T; readonly name: string; readonly says: string }[]
  chosen: T | undefined
  onChoose: (value: T) => void
}) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {choices.map(({ value, name, says }) => (
        <p key={value}>
          <label class="tick">
            <input type="radio" name={legend} checked={chosen === value} onChange={() => onChoose(value)} />
            <span>
              <strong>{name}</strong> <span class="quiet">{says}</span>
            </span>
          </label>
        </p>
      ))}
    </fieldset>
  )
}

export const closeReasons: readonly { value: CloseReason; name: string; says: string }[] = [
  {
    value: 'true-positive',
    name: 'True positive',
    says: 'It was what the finding says, and was dealt with.',
  },
  { value: 'benign-expected', name: 'Benign, expected', says: 'It is part of the work. Baselines learn it.' },
  { value: 'rule-too-broad', name: 'Rule too broad', says: 'The rule should not have met this.' },
  { value: 'duplicate', name: 'Duplicate', says: 'Another finding says it already.' },
]

export function CloseDialog(asked: Asked) {
  const decision = useDecision('close', asked, 'Closed')
  const [reason, setReason] = useState<CloseReason>()
  const [rationale, setRationale] = useState('')
  const count = asked.findings.length
  return (
    <Dialog
      title={count === 1 ? 'Close this finding' : `Close ${count} findings`}
      onClose={() => asked.onClose(false)}
    >
      <Form
        decision={decision}
        wish={() => ({ reason: reason as CloseReason, rationale: rationale.trim() }) satisfies CloseWish}
        isWhole={reason !== undefined && rationale.trim() !== ''}
        button="Close"
      >
        <Choice legend="Reason" choices={closeReasons} chosen={reason} onChoose={setReason} />
        <Rationale label="Why" value={rationale} onChange={setRationale} />
        <p class="quiet small">Closing deletes nothing, and can be taken back by opening it again.</p>
      </Form>
    </Dialog>
  )
}

const scopes: readonly { value: SuppressWish['scope']; name: string; says: string }[] = [
  { value: 'rule-person', name: 'This rule for this person', says: 'on all targets' },
  { value: 'rule-target', name: 'This rule on this target', says: 'for everybody' },
  { value: 'rule', name: 'This rule altogether', says: 'for everybody and everywhere' },
]

export function SuppressDialog(asked: Asked) {
  const me = useMe()
  const decision = useDecision('suppress', asked, 'Suppressed')
  const [scope, setScope] = useState<SuppressWish['scope']>()
  const [until, setUntil] = useState('')
  const [rationale, setRationale] = useState('')
  const [zone] = useSetting('zone')
  const untilMs = readInstant(`${until} 23:59:59`, zone) ?? Number.NaN
  return (
    <Dialog title="Suppress what is like this" onClose={() => asked.onClose(false)}>
      <Form
        decision={decision}
        wish={() =>
          ({
            scope: scope as SuppressWish['scope'],
            untilMs,
            rationale: rationale.trim(),
          }) satisfies SuppressWish
        }
        isWhole={scope !== undefined && Number.isFinite(untilMs) && rationale.trim() !== ''}
        button="Suppress"
        danger
      >
        <Choice legend="What is kept quiet" choices={scopes} chosen={scope} onChoose={setScope} />
        <label class="field">
          Until the end of this day ({zoneWords(zone)}, at most {maxSuppressDays} days)
          <input
            type="date"
            required
            min={dayOf(dayMs, zone)}
            max={dayOf(maxSuppressDays * dayMs, zone)}
            value={until}
            onInput={event => setUntil(event.currentTarget.value)}
          />
        </label>
        <Rationale label="Why" value={rationale} onChange={setRationale} />
        <p class="quiet small">
          You, <Line text={me.name} />, own this suppression. What it keeps quiet is still recorded and listed
          as suppressed.
        </p>
      </Form>
    </Dialog>
  )
}

function dayOf(fromNowMs: number, zone: Zone): string {
  return inputText(Date.now() + fromNowMs, zone).slice(0, 10)
}

/** Reviewers who have had to do with findings before: the gateway knows them by name. */
export function AssignDialog(asked: Asked) {
  const decision = useDecision('assign', asked, 'Assigned')
  const [to, setTo] = useState('')
  const count = asked.findings.length
  return (
    <Dialog
      title={count === 1 ? 'Assign it to somebody' : `Assign ${count} findings to somebody`}
      onClose={() => asked.onClose(false)}
    >
      <Form
        decision={decision}
        wish={() => ({ to: to.trim() }) satisfies AssignWish}
        isWhole={to.trim() !== ''}
        button="Assign"
      >
        <label class="field">
          Name
          <input
            type="text"
            required
            maxLength={300}
            value={to}
            autocomplete="off"
            spellcheck={false}
            onInput={event => setTo(event.currentTarget.value)}
          />
        </label>
      </Form>
    </Dialog>
  )
}

export function EscalateDialog(asked: Asked) {
  const decision = useDecision('verdict', asked, 'Escalated')
  const [rationale, setRationale] = useState('')
  return (
    <Dialog title="Escalate" onClose={() => asked.onClose(false)}>
      <Form
        decision={decision}
        wish={() => ({ verdict: 'escalate', rationale: rationale.trim() }) satisfies VerdictWish}
        isWhole={rationale.trim() !== ''}
        button="Escalate"
      >
        <p>The finding stays open, and those who are told of findings are told of this.</p>
        <Rationale label="What somebody else should look at" value={rationale} onChange={setRationale} />
      </Form>
    </Dialog>
  )
}

export function ReopenDialog(asked: Asked) {
  const decision = useDecision('reopen', asked, 'Open again')
  const [rationale, setRationale] = useState('')
  return (
    <Dialog title="Open it again" onClose={() => asked.onClose(false)}>
      <Form
        decision={decision}
        wish={() => ({ rationale: rationale.trim() }) satisfies ReopenWish}
        isWhole={rationale.trim() !== ''}
        button="Open again"
      >
        <Rationale label="Why" value={rationale} onChange={setRationale} />
      </Form>
    </Dialog>
  )
}

export function LiftDialog(asked: Asked) {
  const decision = useDecision('lift', asked, 'Shown again')
  const [rationale, setRationale] = useState('')
  return (
    <Dialog title="Show what is like this again" onClose={() => asked.onClose(false)}>
      <Form
        decision={decision}
        wish={() => ({ rationale: rationale.trim() }) satisfies LiftWish}
        isWhole={rationale.trim() !== ''}
        button="Show again"
      >
        <p>
          The suppression ends now, and this finding is in the queue again. What it kept quiet before stays
          listed as suppressed.
        </p>
        <Rationale label="Why" value={rationale} onChange={setRationale} />
      </Form>
    </Dialog>
  )
}

export function UnmaskDialog(asked: Asked) {
  const decision = useDecision('unmask', asked, 'Asked: somebody else has to approve')
  const [caseId, setCaseId] = useState('')
  const [reason, setReason] = useState('')
  return (
    <Dialog title="Ask for the name" onClose={() => asked.onClose(false)}>
      <Form
        decision={decision}
        wish={() => ({ caseId: caseId.trim(), reason: reason.trim() }) satisfies UnmaskWish}
        isWhole={caseId.trim() !== '' && reason.trim() !== ''}
        button="Ask"
      >
        <p>The name is shown when a second reviewer approves. Both are in the audit log.</p>
        <label class="field">
          Case
          <input
            required
            maxLength={100}
            value={caseId}
            onInput={event => setCaseId(event.currentTarget.value)}
            autocomplete="off"
          />
        </label>
        <Rationale label="Why the name is needed" value={reason} onChange={setReason} />
      </Form>
    </Dialog>
  )
}
