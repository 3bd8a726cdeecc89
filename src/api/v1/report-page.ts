/** The evidence report of a session: one page to read, print and file. All texts of people and targets show every character that they have. */
import { html, raw } from 'hono/html'
import type { Entry } from '../../analysis/entry.ts'
import { rowsShown } from '../../recorder/sql-tag.ts'
import type { Comment, FindingSummary, SessionDetail, Watched } from '../schema.ts'
import { type Html, visibleLine, visibleText } from '../visible.ts'
import type { ScreenText } from './replay/screens-at.ts'
import { reportStyle } from './report-style.ts'

/** The screens of one moment. */
export type ReportFrame = {
  /** Milliseconds since the opening. */
  readonly offsetMs: number
  /** What was noticed then; undefined for a moment that somebody chose. */
  readonly why?: readonly string[]
  readonly screens: readonly ScreenText[]
  readonly isTooFar: boolean
}

export type Report = {
  readonly detail: SessionDetail
  readonly entries: readonly Entry[]
  /** Entries that are left out. */
  readonly more: number
  readonly frames: readonly ReportFrame[]
  /** Somebody chose the moments of `frames`; else they are those of findings. */
  readonly isAskedForFrames: boolean
  readonly findings: readonly FindingSummary[]
  /** Less grave ones are left out. */
  readonly areMoreFindings: boolean
  readonly comments: readonly Comment[]
  readonly watched: readonly Watched[]
  readonly gatewayName: string
  readonly webUrl: string
  readonly madeBy: string
  readonly madeAtMs: number
}

/** Characters of one text in a table; the recording has all of it. */
const maxCell = 4000

export function reportPage(report: Report): Html {
  const { detail, gatewayName } = report
  const title = `Session ${detail.id}: ${detail.principal} as ${detail.login}@${detail.target}`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(reportStyle)}</style>
</head>
<body>
<header>
<h1>Evidence report</h1>
<p>${visibleLine(title)}</p>
<p>Made by ${visibleLine(report.madeBy)} on ${instant(report.madeAtMs)} at the gateway ${visibleLine(gatewayName)}. All times are UTC.</p>
</header>
<main>
${factsPart(detail)}
${reviewPart(report)}
${findingsPart(report)}
${entriesPart(report)}
${framesPart(report)}
${commentsPart(report.comments)}
${proofPart(report)}
</main>
<footer><p>This report is an aid to reading. The evidence is the recording, and what proves it.</p></footer>
</body>
</html>`
}

/** `2026-01-05 14:00:00.000`: all of one width. */
function instant(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
}

function row(name: string, value: string | Html): Html {
  return html`<tr><th scope="row">${visibleLine(name)}</th><td>${typeof value === 'string' ? visibleLine(value, maxCell) : value}</td></tr>`
}

function factsPart(detail: SessionDetail): Html {
  const { protocol, principal, issuer, subject, target, login, role, sourceAddress } = detail
  const { openedAtMs, endedAtMs, endReason, state, labels } = detail
  return html`<section><h2>Who, where, when, why</h2>
<table class="facts"><tbody>
${row('who', principal)}
${row('issuer and subject', `${issuer}, ${subject}`)}
${row('where', `${target} (${protocol})`)}
${row('as whom', login)}
${row('by role', role)}
${row('from', sourceAddress)}
${row('opened', instant(openedAtMs))}
${row('ended', endedAtMs === undefined ? 'it goes on' : instant(endedAtMs))}
${row('state', endReason === undefined ? state : `${state}: ${endReason}`)}
${row(
  'labels',
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ') || 'none',
)}
${detail.facts.map(({ name, value }) => row(name, value))}
</tbody></table></section>`
}

function reviewPart({ detail, watched }: Report): Html {
  const { verdicts, verdictsNeeded } = detail
  const needed = verdictsNeeded > 1 ? html`<p>Policy wants verdicts of ${verdictsNeeded} people.</p>` : ''
  return html`<section><h2>Review</h2>${needed}
${
  verdicts.length === 0
    ? html`<p>Nobody has given a verdict.</p>`
    : html`<table><thead><tr><th scope="col">When (UTC)</th><th scope="col">Who</th><th scope="col">Verdict</th><th scope="col">Why</th></tr></thead><tbody>
${verdicts.map(
  ({ by, atMs, verdict, rationale }) =>
    html`<tr><td class="time">${instant(atMs)}</td><td>${visibleLine(by)}</td><td>${verdict}</td><td>${visibleText(rationale)}</td></tr>`,
)}
</tbody></table>`
}
${
  watched.length === 0
    ? html`<p>Nobody has looked at it.</p>`
    : html`<ul>${watched.map(({ by, lastMs, stretches }) => html`<li>${visibleLine(by)} ${seenText(detail, stretches)}, last on ${instant(lastMs)}.</li>`)}</ul>`
}
</section>`
}

/** Statements are read, and take no time worth telling. */
function seenText({ protocol }: SessionDetail, stretches: Watched['stretches']): string {
  return protocol === 'postgres' ? 'looked at statements of it' : `played ${seconds(stretches)} seconds of it`
}

function seconds(stretches: Watched['stretches']): number {
  return Math.round(stretches.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) / 1000)
}

function findingsPart({ findings, areMoreFindings }: Report): Html {
  if (findings.length === 0) return html`<section><h2>Findings</h2><p>None.</p></section>`
  return html`<section><h2>Findings</h2>
<table><thead><tr><th scope="col">When (UTC)</th><th scope="col">Severity</th><th scope="col">What</th><th scope="col">Rules</th><th scope="col">State</th></tr></thead><tbody>
${findings.map(
  ({ atMs, severity, sentence, rules, state }) =>
    html`<tr><td class="time">${instant(atMs)}</td><td>${severity}</td><td>${visibleLine(sentence, maxCell)}</td><td>${visibleLine(rules.join(', '), maxCell)}</td><td>${state}</td></tr>`,
)}
</tbody></table>
${areMoreFindings ? html`<p class="note">These are the gravest ${findings.length}. More are not in this report; the page of the session has them.</p>` : ''}
</section>`
}

function entriesPart({ detail, entries, more }: Report): Html {
  if (detail.encrypted)
    return html`<section><h2>What was done</h2><p class="note">The recording is encrypted to auditors. The gateway cannot read it, so nothing of it is in this report.</p></section>`
  const isSql = detail.protocol === 'postgres'
  return html`<section><h2>What was done</h2>
${isSql ? '' : html`<p>Commands of interactive shells are read off the screen, and may be incomplete; requests and files are exact.</p>`}
${entries.length === 0 ? html`<p>Nothing was recognised.</p>` : entriesTable(entries, isSql)}
${more === 0 ? '' : html`<p class="note">${more} more are not in this report. The downloads have all of them.</p>`}
</section>`
}

function entriesTable(entries: readonly Entry[], isSql: boolean): Html {
  const last = isSql
    ? html`<th scope="col">Rows</th><th scope="col">Outcome</th>`
    : html`<th scope="col">Kind</th><th scope="col">Outcome</th>`
  return html`<table><thead><tr><th scope="col">When (UTC)</th><th scope="col">${isSql ? 'Statement' : 'What'}</th>${last}</tr></thead><tbody>
${entries.map(
  entry =>
    html`<tr><td class="time">${instant(entry.atMs)}</td><td class="mono">${visibleText(entry.text.slice(0, maxCell))}</td><td class="number">${isSql ? (rowsShown(entry.statement ?? {}) ?? '') : entry.kind}</td><td>${visibleLine(outcomeOf(entry), maxCell)}</td></tr>`,
)}
</tbody></table>`
}

function outcomeOf({ command, statement, file }: Entry): string {
  if (statement !== undefined) {
    const { blocked, sqlstate, message = '', durationMs } = statement
    if (blocked !== undefined) return `refused by the gateway (${blocked})`
    if (sqlstate !== undefined) return `error ${sqlstate}: ${message}`
    return durationMs === undefined ? '' : `${durationMs.toFixed(1)} ms`
  }
  if (command !== undefined) {
    const { exitStatus, found, sure } = command
    const how = found === 'exec' ? 'asked for' : `read (${found}, ${Math.round(sure * 100)} %)`
    return exitStatus === undefined ? how : `exit ${exitStatus}, ${how}`
  }
  if (file === undefined) return ''
  const { operation, direction, bytes, sha256, status } = file
  return [
    operation,
    direction ?? '',
    bytes === undefined ? '' : `${bytes} bytes`,
    sha256 === undefined ? '' : `SHA-256 ${sha256}`,
    status ?? '',
  ]
    .filter(part => part !== '')
    .join(', ')
}

function framesPart({ detail, frames, isAskedForFrames, findings }: Report): Html | '' {
  if (detail.protocol !== 'ssh')
    return isAskedForFrames ? noScreens('Sessions of databases have no screen.') : ''
  if (detail.encrypted && (isAskedForFrames || findings.length > 0))
    return noScreens(
      'The recording is encrypted to auditors: the gateway cannot read what its screens showed.',
    )
  if (frames.length === 0)
    return isAskedForFrames ? noScreens('There is no recording to take them from.') : ''
  const which = isAskedForFrames
    ? 'At the moments that whoever made this report chose.'
    : 'At the moments of findings; whoever makes a report can choose others.'
  return html`<section><h2>Screens</h2>
<p>${which} Text only, as far as the terminal held it. Passwords and keys that show by their form are taken out; the recording has them.</p>
${frames.map(frame => frameOf(detail, frame))}
</section>`
}

function noScreens(why: string): Html {
  return html`<section><h2>Screens</h2><p class="note">${why}</p></section>`
}

function frameOf(
  { openedAtMs }: SessionDetail,
  { offsetMs, why = [], screens, isTooFar }: ReportFrame,
): Html {
  const nothing = isTooFar
    ? 'Too much would have to be read for this screen. The player shows it.'
    : 'Nothing had been shown by then.'
  return html`<h3>${instant(openedAtMs + offsetMs)}, ${(offsetMs / 1000).toFixed(1)} s into the session</h3>
${why.map(sentence => html`<p>Finding: ${visibleLine(sentence, maxCell)}</p>`)}
${screens.length === 0 ? html`<p class="note">${nothing}</p>` : screens.map(screenOf)}`
}

/** So many columns fit onto the paper in letters that are easy to read. */
const usualColumns = 100

function screenOf({ channel, columns, rows, text, isCut, hasConcealed }: ScreenText): Html {
  return html`<p class="quiet">Channel ${channel}, ${columns} × ${rows}.${hasConcealed ? ' Some of it was concealed: nobody at the terminal saw it.' : ''}${isCut ? ' It is cut here.' : ''}</p>
<pre class="screen ${columns > usualColumns ? 'wide' : ''}">${text === '' ? '(the screen is empty)' : visibleText(text)}</pre>`
}

function commentsPart(comments: readonly Comment[]): Html | '' {
  if (comments.length === 0) return ''
  return html`<section><h2>Comments</h2>
<table><thead><tr><th scope="col">When (UTC)</th><th scope="col">Who</th><th scope="col">At</th><th scope="col">What</th></tr></thead><tbody>
${comments.map(
  ({ atMs, by, offsetMs, text }) =>
    html`<tr><td class="time">${instant(atMs)}</td><td>${visibleLine(by)}</td><td class="time">${offsetMs === undefined ? '' : `${(offsetMs / 1000).toFixed(1)} s`}</td><td>${visibleText(text)}</td></tr>`,
)}
</tbody></table></section>`
}

function proofPart({ detail, webUrl }: Report): Html {
  const { recording, integrity, id } = detail
  return html`<section><h2>Proof</h2>
<table class="facts"><tbody>
${row('integrity', integrity)}
${row('recording', recording.removed === undefined ? `${recording.bytes ?? 'unknown'} bytes` : `removed on ${instant(recording.removed.atMs)} by ${recording.removed.rule}`)}
${recording.sha256 === undefined ? '' : row('SHA-256 of the file', recording.sha256)}
</tbody></table>
<p>To check it yourself, take the bundle (${webUrl}/api/v1/sessions/${id}/exports/bundle), unpack it, and run <code>sallyport verify ${id}.sallyport --key keys.json</code>, or the script in it, which needs Python alone. Use a key list that you got on another way.</p>
</section>`
}
