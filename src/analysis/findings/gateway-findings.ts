/** What the gateway decided itself becomes findings of rules: no recording is read for them. */
import type { SessionRow } from '../../model.ts'
import type { GatewayHit, Refusal } from '../rules/gateway-rules.ts'
import { techniqueName } from './attack-names.ts'
import type { FindingDraft, Reason } from './finding.ts'
import { groupOf, techniqueNote } from './rule-findings.ts'
import { counted, lasting, times } from './words.ts'

/** Kinds of refusals that are told. */
const maxTold = 5

/** Why, for reviewers; codes of the audit log that are not here are told as they are. */
const codeTexts: Readonly<Record<string, string>> = {
  'no-role': 'no role of theirs was for this target',
  'unknown-target': 'there was no target of this name',
  login: 'no role of theirs allowed this login',
  unknown: 'no such password, or one that was used up',
  'other-address': 'a password that was made for another address',
  TOKEN_REFUSED: 'a token that is not good here',
  source: 'no role of theirs allowed it from that network',
}

export function gatewayDraft(
  { rule, refusals }: GatewayHit,
  session: Pick<SessionRow, 'id' | 'openedAtMs'>,
): FindingDraft {
  const { id, title, says, severity, techniques, check } = rule
  return {
    session: session.id,
    group: groupOf(id),
    kind: 'rule',
    severity,
    rules: [id],
    atMs: session.openedAtMs,
    body: {
      sentence: sentenceOf(title, refusals),
      why: [{ observed: says }, ...reasonsOf(refusals, session)],
      quotes: [],
      techniques: techniques.map(technique => ({ id: technique, name: techniqueName(technique) })),
      benign: check,
      quality: ['The gateway decided this itself: exact.', techniqueNote],
      versions: {},
    },
  }
}

function sentenceOf(title: string, refusals: readonly Refusal[]): string {
  return refusals.length === 0
    ? `${title}: to be reviewed within a day.`
    : `${title}: ${counted(refusals.length, 'refusal')} before this session.`
}

type Opened = Pick<SessionRow, 'openedAtMs'>

/** Those of one kind are told together. */
function reasonsOf(refusals: readonly Refusal[], session: Opened): readonly Reason[] {
  const kinds = [...Map.groupBy(refusals, ({ code, login = '' }) => `${code} ${login}`).values()]
  return kinds.slice(-maxTold).map(kind => ({ observed: toldOf(kind, session) }))
}

function toldOf(refusals: readonly Refusal[], { openedAtMs }: Opened): string {
  const { atMs = openedAtMs, code = '', login = '' } = refusals.at(-1) ?? {}
  const as = login === '' ? '' : ` as ${login}`
  const how = refusals.length === 1 ? '' : ` ${times(refusals.length)}, the last`
  return `Refused${as}${how} ${lasting(openedAtMs - atMs)} before: ${codeTexts[code] ?? code}.`
}
