import { html } from 'hono/html'
import type { EnrolledKeyRow } from '../../model.ts'
import { type Html, visibleLine } from '../visible.ts'
import { type Layout, layout, utc } from './layout.ts'

type Frame = Pick<Layout, 'gatewayName' | 'person'>

export type KeyView = {
  readonly row: EnrolledKeyRow
  readonly form: { readonly action: string; readonly token: string }
}

/** What signs the person in without a browser now, and the way to stop it. */
export function keysPage(frame: Frame, keys: readonly KeyView[]): Html {
  const body = html`<h1>Your enrolled keys</h1>
<p>An enrolled key signs you in without a browser, from one network, until it expires. You enrol a key on the page that gives you a code, by a tick of its own. Revoke what you do not know, and tell the people who run this gateway.</p>
${keys.length === 0 ? html`<div class="card"><p>No key signs you in without a browser now.</p></div>` : table(keys)}`
  return layout({ ...frame, title: 'Your keys', width: 'wide', body })
}

function table(keys: readonly KeyView[]): Html {
  return html`<div class="table"><table>
<thead><tr><th scope="col">Key</th><th scope="col">Network</th><th scope="col">Enrolled</th><th scope="col">Last used</th><th scope="col">Until</th><th scope="col"><span class="skip">Revoke</span></th></tr></thead>
<tbody>${keys.map(tableRow)}</tbody>
</table></div>`
}

function tableRow({ row, form }: KeyView): Html {
  return html`<tr>
<td data-label="Key"><span class="typed">${visibleLine(row.fingerprint)}</span></td>
<td data-label="Network">${visibleLine(row.network)}</td>
<td data-label="Enrolled" class="time">${utc(row.createdAtMs)}</td>
<td data-label="Last used" class="time">${row.lastUsedAtMs === undefined ? 'not yet' : utc(row.lastUsedAtMs)}</td>
<td data-label="Until" class="time">${utc(row.expiresAtMs)}</td>
<td data-label="Revoke"><form method="post" action="${form.action}"><input type="hidden" name="token" value="${form.token}"><button class="button plain" type="submit" aria-label="Revoke ${row.fingerprint}">Revoke</button></form></td>
</tr>`
}
