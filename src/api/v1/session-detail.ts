import { Fault, reasonOf } from '../../errors.ts'
import type { ReviewWishRow, SessionRow, Severity } from '../../model.ts'
import type { RecordingHeader } from '../../recorder/header.ts'
import { headerOf } from '../../recorder/reader.ts'
import type { SessionDetail, SessionFact, SessionSummary } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { pageWaitMs } from './recording-checks.ts'
import { sealedFact } from './replay/opening-words.ts'
import { verdictRefusal } from './review-routes.ts'
import type { SessionAsk } from './route.ts'
import { summariesOf } from './session-views.ts'

/** One session with all that is known of it without reading what happened in it. */
export async function detailOf(
  parts: ApiParts,
  { row, person }: SessionAsk,
  checkWaitMs = pageWaitMs,
): Promise<SessionDetail> {
  const check = await parts.checks.now(row, checkWaitMs)
  const checks = new Map(check === undefined ? [] : [[row.id, check]])
  const [summary] = await summariesOf(parts, [row], person, { of: async () => checks })
  const [kept] = await parts.kept([row])
  if (summary === undefined) throw new TypeError('a row has a summary')
  const wishes = await parts.reviews.reviewWishesOf([row.id])
  const refusal = verdictRefusal(row)
  const head = kept?.purged === undefined ? await headOf(parts, row) : undefined
  return {
    ...summary,
    encrypted: head?.encrypted ?? false,
    issuer: row.issuer,
    subject: row.subject,
    facts: [...assigneeFacts(summary), ...wishFacts(wishes), ...grantFacts(row), ...(head?.facts ?? [])],
    recording: {
      ...(check === undefined ? {} : { bytes: check.bytes, sha256: check.sha256 }),
      ...(kept?.purgeAtMs === undefined ? {} : { keepUntilMs: kept.purgeAtMs }),
      ...(kept?.purged === undefined ? {} : { removed: { atMs: kept.purged.atMs, rule: kept.purged.rule } }),
      holds: kept?.hold === undefined ? 0 : 1,
    },
    mayEnd: row.state === 'open',
    verdictsNeeded: verdictsNeeded(parts, summary.worst),
    ...(refusal === undefined ? {} : { reviewRefusal: refusal }),
    verdicts: (await parts.reviews.verdictsOf([row.id])).map(({ name, atMs, verdict, rationale }) => ({
      by: name,
      atMs,
      verdict,
      rationale,
    })),
  }
}

function assigneeFacts({ assignee }: SessionSummary): SessionDetail['facts'] {
  return assignee === undefined ? [] : [{ name: 'to be reviewed by', value: assignee }]
}

/** Who wants it reviewed, and why; the reason is the receiver's own text. */
function wishFacts(wishes: readonly ReviewWishRow[]): SessionDetail['facts'] {
  return wishes.map(({ by, reason }) => ({
    name: 'review wanted',
    value: `by the receiver ${by}: ${reason}`,
  }))
}

function grantFacts({ breakGlass }: SessionRow): SessionDetail['facts'] {
  return breakGlass === true ? [{ name: 'emergency access', value: 'yes: to be reviewed within a day' }] : []
}

function verdictsNeeded({ fourEyes }: ApiParts, worst: Severity | undefined): number {
  return worst !== undefined && fourEyes().includes(worst) ? 2 : 1
}

type Head = { readonly encrypted: boolean; readonly facts: readonly SessionFact[] }

/** Who removes a recording does not hide that there was a session. */
async function headOf(parts: ApiParts, row: SessionRow): Promise<Head> {
  try {
    return await readHead(parts, row)
  } catch (cause) {
    parts.log.warn({ session: row.id, cause: reasonOf(cause) }, 'the head of a recording could not be read')
    const value = cause instanceof Fault ? cause.userText : 'Its beginning cannot be read.'
    return { encrypted: false, facts: [{ name: 'recording', value }] }
  }
}

async function readHead(parts: ApiParts, row: SessionRow): Promise<Head> {
  const { path, release } = await parts.recordings.fetch(row.recording)
  try {
    const header = headerOf(path)
    const isEncrypted = header.encryption !== null
    // A detail without them is a detail.
    const opening = isEncrypted
      ? [sealedFact]
      : await parts.reading.ask({ do: 'opening', file: path }).catch(() => [])
    return { encrypted: isEncrypted, facts: [...headerFacts(header), ...opening] }
  } finally {
    release()
  }
}

function headerFacts({
  why,
  policy,
  target,
  signing,
  gateway,
  principal,
}: RecordingHeader): readonly SessionFact[] {
  return [
    orEmpty('reason', why.reason, 'nobody asked for one'),
    orEmpty('ticket', why.ticket, 'nobody asked for one'),
    { name: 'approver', value: 'nobody: the rule asks for no approval', isEmpty: true },
    orEmpty('policy version', policy, 'not recorded'),
    ...(principal.email === undefined ? [] : [{ name: 'e-mail', value: principal.email }]),
    { name: 'address of the target', value: `${target.host}:${target.port}` },
    { name: 'gateway', value: gateway },
    { name: 'signed by', value: signing.keyId },
  ]
}

function orEmpty(name: string, value: string | null | undefined, otherwise: string): SessionFact {
  return value === null || value === undefined ? { name, value: otherwise, isEmpty: true } : { name, value }
}
