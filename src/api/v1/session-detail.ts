import type { SessionRow, Severity } from '../../model.ts'
import { headerOf } from '../../recorder/reader.ts'
import type { SessionDetail } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { verdictRefusal } from './review-routes.ts'
import type { SessionAsk } from './route.ts'
import { summariesOf } from './session-views.ts'

/** One session with all that is known of it without reading what happened in it. */
export async function detailOf(parts: ApiParts, { row, person }: SessionAsk): Promise<SessionDetail> {
  const [summary] = await summariesOf(parts, [row], person)
  const [kept] = await parts.kept([row])
  if (summary === undefined) throw new TypeError('a row has a summary')
  const [check] = await parts.reviews.checksOf([row.id])
  const refusal = verdictRefusal(row)
  const head = kept?.purged === undefined ? await headOf(parts, row) : undefined
  return {
    ...summary,
    encrypted: head?.encrypted ?? false,
    issuer: row.issuer,
    subject: row.subject,
    facts: head?.facts ?? [],
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

function verdictsNeeded({ fourEyes }: ApiParts, worst: Severity | undefined): number {
  return worst !== undefined && fourEyes().includes(worst) ? 2 : 1
}

async function headOf(parts: ApiParts, row: SessionRow) {
  const { path, release } = await parts.recordings.fetch(row.recording)
  try {
    const header = headerOf(path)
    const { why, target, signing, gateway, principal } = header
    const facts: [string, string | null | undefined][] = [
      ['reason', why.reason],
      ['ticket', why.ticket],
      ['e-mail', principal.email],
      ['address of the target', `${target.host}:${target.port}`],
      ['gateway', gateway],
      ['signed by', signing.keyId],
    ]
    return {
      encrypted: header.encryption !== null,
      facts: facts.flatMap(([name, value]) =>
        value === null || value === undefined ? [] : [{ name, value }],
      ),
    }
  } finally {
    release()
  }
}
