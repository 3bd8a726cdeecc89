/** What people may know of what is stored about them, and what they have to say to it. */
import { type Principal, principalKey } from '../../identity/principal.ts'
import type { FindingRow } from '../../model.ts'
import type { Answer, Contesting, OwnRecord } from './desk.ts'
import { checkText, type DeskParts, noFinding, refused } from './desk-parts.ts'
import { bodyOf } from './finding.ts'
import { lasting } from './words.ts'

/** Closed findings that somebody sees about themselves. */
const maxFindings = 500
/** Findings that one note goes to. */
const maxContested = 100
/** Notes of the person concerned beside one finding: reviewers read them all, and what they decided stands among them. */
const maxNotes = 20
const says = 'says as the person concerned'

/** Open findings are not shown: whoever they are about must not learn that somebody is looking. */
export async function ownRecord(parts: DeskParts, principal: Principal): Promise<OwnRecord> {
  const { issuer, subject } = principal.fields
  const closed = await parts.store.closedOfPerson({ issuer, subject }, maxFindings)
  const shown = closed.filter(({ place, kind }) => place !== 'shadow' && kind !== 'integrity')
  const baseline = await parts.profiles?.inWords({ issuer, subject })
  return {
    categories: categories(parts),
    ...(baseline === undefined ? {} : { baseline }),
    findings: shown.map(row => ({
      id: row.id,
      sentence: bodyOf(row).sentence,
      closedAtMs: row.closedAtMs ?? row.updatedAtMs,
      reason: row.closeReason ?? '',
    })),
  }
}

/** What is stored at all, in words; the same for everybody. */
function categories({ config }: DeskParts): OwnRecord['categories'] {
  const { analysis, recording } = config()
  const reviewers = config()
    .roles.filter(role => role.review.length > 0)
    .map(({ name }) => name)
  const seenBy = reviewers.length === 0 ? 'nobody' : `the roles ${reviewers.join(', ')}; never yourself`
  const ages = recording.retention.flatMap(({ maxMs }) => maxMs ?? [])
  return [
    {
      name: 'Recordings of your sessions',
      what: 'What passed between you and the target: output, what you typed as far as it showed, statements, files.',
      keptFor: ages.length === 0 ? 'until somebody removes them' : `up to ${lasting(Math.max(...ages))}`,
      seenBy,
    },
    {
      name: 'Findings',
      what: 'That a rule was met in a session of yours, or that it differed from what is usual, and what reviewers decided.',
      keptFor: `${lasting(analysis.retention.findingsMs)} after they were closed`,
      seenBy: analysis.shadow ? 'nobody: findings are being tried out' : seenBy,
    },
    {
      name: 'Counts',
      what: 'What rules over several sessions have counted: tables, shapes and texts of statements, commands that were refused.',
      keptFor: '31 days after your last session',
      seenBy: 'nobody; findings quote single entries of it',
    },
    ...(analysis.baselines.enabled
      ? [
          {
            name: 'Profile',
            what: 'How often you used which commands, statements, targets and hours, as counts.',
            keptFor: `${lasting(analysis.retention.profilesMs)} after your last session`,
            seenBy: 'nobody; findings quote single numbers of it',
          },
        ]
      : []),
    {
      name: 'Audit log',
      what: 'When you signed in, from where, and which sessions you opened.',
      keptFor: 'as long as the gateway is run',
      seenBy: 'operators of the gateway, and auditors',
    },
  ]
}

/** A note of the person concerned. On a session, it goes to all of its findings, whether they know of them or not; the answer tells nothing. */
export async function contest(
  parts: DeskParts,
  principal: Principal,
  { finding, session, text }: Contesting,
): Promise<Answer<undefined>> {
  const checked = checkText(text, 'the text')
  if (!checked.ok) return checked
  const { issuer, subject } = principal.fields
  const isTheirs: Theirs = row => row.issuer === issuer && row.subject === subject
  const rows = await rowsOf(parts, finding, session, isTheirs)
  if (rows === undefined) return noFinding
  const by = principalKey(principal)
  if (finding !== undefined && (await notesOf(parts, finding, by)) >= maxNotes)
    return refused(
      'conflict',
      `You have said ${maxNotes} things about this finding; no more stand beside it.`,
    )
  parts.audit.append({
    kind: 'finding-contested',
    finding,
    session,
    issuer,
    subject,
    text: checked.value,
  })
  const note = { by, byName: principal.fields.name, note: checked.value }
  for (const { id } of rows.slice(0, maxContested))
    if ((await notesOf(parts, id, by)) < maxNotes)
      await parts.store.note({ finding: id, atMs: parts.clock.nowMs(), what: says, ...note })
  return { ok: true, value: undefined }
}

async function notesOf({ store }: DeskParts, finding: string, by: string): Promise<number> {
  return (await store.historyOf(finding)).filter(event => event.by === by && event.what === says).length
}

type Theirs = (row: { readonly issuer: string; readonly subject: string }) => boolean

async function rowsOf(
  parts: DeskParts,
  finding: string | undefined,
  session: string | undefined,
  isTheirs: Theirs,
): Promise<readonly FindingRow[] | undefined> {
  if (finding !== undefined) {
    const row = await parts.store.get(finding)
    return row !== undefined && isTheirs(row) && row.state === 'closed' ? [row] : undefined
  }
  if (session === undefined) return undefined
  const row = await parts.sessions.get(session)
  if (row === undefined || !isTheirs(row)) return undefined
  return (await parts.store.ofSession(session)).filter(isTheirs)
}
