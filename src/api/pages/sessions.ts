import { html } from 'hono/html'
import type { SessionRow } from '../../model.ts'
import type { KeptView, PurgedView } from '../../recorder/retention/view.ts'
import { firstScript } from '../scripts.ts'
import { type Html, visibleLine, visibleText } from '../visible.ts'
import { duration, fact, type Layout, layout, utc } from './layout.ts'

type Frame = Pick<Layout, 'gatewayName' | 'person'>

export type SessionListPage = {
  readonly rows: readonly SessionRow[]
  /** Of each row, how long its recording is kept. */
  readonly kept: readonly KeptView[]
  readonly nowMs: number
  /** Address of the next page, if there may be more. */
  readonly older: string | undefined
  readonly firstPage: boolean
}

/** Sessions that the reader may review, newest first. */
export function sessionListPage(frame: Frame, page: SessionListPage): Html {
  const body = html`<h1>Sessions</h1>
${page.rows.length === 0 ? nothing(page) : table(page)}
<p class="actions small">
${page.firstPage ? '' : html`<a class="button second" href="/sessions">Newest</a>`}
${page.older === undefined ? '' : html`<a class="button second" rel="next" href="${page.older}">Older sessions</a>`}
</p>`
  return layout({ ...frame, title: 'Sessions', width: 'wide', body })
}

function nothing(page: SessionListPage): Html {
  const text =
    page.firstPage && page.older === undefined
      ? 'There is no session that you may review. Sessions of others appear here if a role of yours has a review right; your own never do.'
      : 'There is no session here that you may review.'
  return html`<div class="card"><p>${text}</p></div>`
}

function table(page: SessionListPage): Html {
  return html`<div class="table"><table>
<thead><tr><th scope="col">Start</th><th scope="col">Person</th><th scope="col">Login and target</th><th scope="col">State</th><th scope="col">Duration</th><th scope="col">Kept until</th></tr></thead>
<tbody>
${page.rows.map((row, at) => line(row, page.kept[at], page.nowMs))}
</tbody></table></div>`
}

function line(row: SessionRow, kept: KeptView | undefined, nowMs: number): Html {
  return html`<tr>
<td class="time" data-label="Start"><a href="/sessions/${row.id}">${utc(row.openedAtMs)}</a></td>
<td data-label="Person">${visibleLine(row.principalName)}</td>
<td data-label="Login and target"><span class="typed">${where(row)}</span></td>
<td data-label="State">${state(row)}</td>
<td class="time" data-label="Duration">${duration((row.endedAtMs ?? nowMs) - row.openedAtMs)}</td>
<td class="time" data-label="Kept until">${kept === undefined ? '' : keptCell(row, kept)}</td>
</tr>
`
}

function keptCell(row: SessionRow, { purgeAtMs, hold, purged }: KeptView): Html | string {
  if (purged !== undefined) return `removed ${day(purged.atMs)}`
  if (hold !== undefined) return hold.untilMs === undefined ? 'on hold' : `on hold until ${day(hold.untilMs)}`
  if (purgeAtMs !== undefined) return day(purgeAtMs)
  return row.state === 'open' ? '' : 'for ever'
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function where(row: SessionRow): Html {
  return visibleLine(`${row.login}@${row.target}`)
}

function state(row: SessionRow): Html {
  return html`<span class="state ${row.state}">${row.state}</span>`
}

/** What the page shows of the recording. */
export type TranscriptView =
  | { readonly kind: 'text'; readonly text: string; readonly cut: boolean }
  | { readonly kind: 'still-open' }
  | { readonly kind: 'removed'; readonly purged: PurgedView }
  /** Names of the auditors' keys: their thumbprints. */
  | { readonly kind: 'encrypted'; readonly recipients: readonly string[] }

/** One session: who, where, when, why it ended, and what its screen showed. */
export function sessionPage(
  frame: Frame,
  row: SessionRow,
  about: { readonly nowMs: number; readonly kept: KeptView | undefined; readonly transcript: TranscriptView },
): Html {
  const { nowMs, kept, transcript } = about
  const body = html`<h1>${where(row)}</h1>
<div class="card"><dl class="facts many">
${fact('Person', visibleLine(row.principalName))}
${fact('Subject', html`<span class="typed">${visibleLine(row.subject)}</span>`)}
${fact('Role', visibleLine(row.role))}
${fact('Protocol', row.protocol)}
${fact('From address', html`<span class="typed">${visibleLine(row.sourceAddress)}</span>`)}
${fact('Start', utc(row.openedAtMs))}
${fact('End', row.endedAtMs === undefined ? 'not yet' : utc(row.endedAtMs))}
${fact('Duration', duration((row.endedAtMs ?? nowMs) - row.openedAtMs))}
${fact('State', state(row))}
${row.endReason === undefined ? '' : fact('Ended because', visibleLine(row.endReason))}
${fact('Session', html`<span class="typed">${visibleLine(row.id)}</span>`)}
${kept === undefined ? '' : keptFacts(row, kept)}
</dl></div>
<h2>${row.protocol === 'postgres' ? 'Statements' : 'Transcript'}</h2>
${transcriptPart(row, transcript)}
<p class="actions small"><a class="button second" href="/sessions">All sessions</a></p>`
  return layout({ ...frame, title: `Session of ${row.principalName.slice(0, 80)}`, width: 'wide', body })
}

function keptFacts(row: SessionRow, { purgeAtMs, rule, hold, purged }: KeptView): Html {
  if (purged !== undefined) return html`${fact('Removed', utc(purged.atMs))}`
  const until = hold?.untilMs === undefined ? 'until it is released' : html`until ${utc(hold.untilMs)}`
  return html`${hold === undefined ? '' : fact('On hold', until)}
${row.state === 'open' ? '' : fact('Kept until', purgeAtMs === undefined ? 'for ever' : utc(purgeAtMs))}
${rule === undefined ? '' : fact('By the rule of', visibleLine(rule))}`
}

function transcriptPart(row: SessionRow, transcript: TranscriptView): Html {
  if (transcript.kind === 'still-open')
    return html`<p>The session is still open. What it did is here once it has ended.</p>`
  if (transcript.kind === 'removed') return removedPart(transcript.purged)
  if (transcript.kind === 'encrypted') return encryptedPart(row, transcript.recipients)
  const { text, cut } = transcript
  const words = transcriptWords[row.protocol]
  return html`<p class="quiet small">${words.what} Characters that would not show are marked. That you opened this page is in the audit log.</p>
${cut ? html`<div class="note warn"><strong>Only the beginning is shown.</strong><p>Take the whole of it out with <span class="typed">sallyport export ${visibleLine(row.id)} --format text</span>.</p></div>` : ''}
${text === '' ? html`<p>${words.nothing}</p>` : html`<pre class="transcript" tabindex="0" aria-label="${words.label}">${visibleText(text)}</pre>`}`
}

/**
 * The gateway cannot read it. The script opens it here, with a key that stays in the browser: its fields have no names, so that no form could send them, and
 * are called what browsers do not offer to keep.
 */
function encryptedPart(row: SessionRow, recipients: readonly string[]): Html {
  return html`<div id="auditor" data-stored="/sessions/${row.id}/stored">
<p id="auditor-said" class="quiet small" role="status">This recording is encrypted: the gateway cannot read it. With the key of an auditor your browser can. The key does not leave it. That you fetch the recording is in the audit log.</p>
<p><label for="auditor-key">The auditor's private key (a .jwk file)</label><br><input id="auditor-key" type="file" accept=".jwk,.json,application/json" autocomplete="off" disabled></p>
<form id="auditor-lock" hidden><p><label for="auditor-passphrase">The passphrase of this key</label><br><input id="auditor-passphrase" type="password" autocomplete="one-time-code"> <button id="auditor-open" class="button" type="submit">Open</button></p></form>
<noscript><div class="note warn"><strong>This page needs JavaScript to open the recording.</strong><p>Or take <a href="/sessions/${row.id}/stored">the encrypted file</a>, and run <span class="typed">sallyport export FILE --format text --auditor-key KEY</span> where your key is.</p></div></noscript>
</div>
<p class="quiet small">Encrypted to ${recipients.map((kid, at) => html`${at === 0 ? '' : ', '}<span class="typed">${visibleLine(kid)}</span>`)}. <a href="/sessions/${row.id}/stored">The encrypted file</a></p>
<script type="module" src="${firstScript}"></script>`
}

/** So that nobody takes it for missing. */
function removedPart(purged: PurgedView): Html {
  const { atMs, rule, cause } = purged
  const by = cause === 'policy' ? 'Purged by policy' : 'Removed on request'
  const why =
    cause === 'policy' ? html`by the rule of ${visibleLine(rule)}` : html`for the reason ${visibleLine(rule)}`
  return html`<div class="note"><strong>${by} on ${utc(atMs)} ${why}</strong><p>What was recorded is gone. The log of sessions has a signed note of it, so that <span class="typed">sallyport verify</span> can tell it from a loss.</p></div>`
}

const transcriptWords = {
  ssh: {
    what: 'What the screen showed, as text.',
    nothing: 'The screen showed nothing.',
    label: 'Transcript',
  },
  postgres: {
    what: 'Each statement with its time, its parameters, and after the arrow what became of it.',
    nothing: 'No statement was sent.',
    label: 'Statements',
  },
} as const
