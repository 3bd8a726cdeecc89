import { html } from 'hono/html'
import type { PasswordView } from '../../identity/connection-passwords.ts'
import { jdbcUrl, oauthPsqlLine, psqlLine, sshLine } from '../command-lines.ts'
import type { Endpoints } from '../deps.ts'
import type { Place } from '../places.ts'
import { type Html, visibleLine } from '../visible.ts'
import { duration, type Layout, layout, utc } from './layout.ts'

type Frame = Pick<Layout, 'gatewayName' | 'person'>
type Form = { readonly action: string; readonly token: string }

export type ConnectPage = {
  readonly places: readonly { readonly place: Place; readonly form: Form }[]
  readonly passwords: readonly { readonly view: PasswordView; readonly form: Form }[]
  readonly endpoints: Endpoints
  readonly browserAddress: string
}

/** What the signed-in person may open, how, and the passwords that they have made. */
export function connectPage(frame: Frame, page: ConnectPage): Html {
  const body = html`<h1>Connect</h1>
<p class="quiet">What you may open now from ${typed(page.browserAddress)}, with the clients that you have. Policy decides again at each connection.</p>
${page.places.some(({ place }) => place.protocol === 'postgres') ? aboutPostgres(page.endpoints) : ''}
${page.places.length === 0 ? nothing() : page.places.map(one => card(page, one))}
<h2 id="passwords">Your passwords</h2>
${page.passwords.length === 0 ? html`<p class="quiet">You have none that counts now.</p>` : table(page.passwords)}`
  return layout({ ...frame, title: 'Connect', width: 'wide', body })
}

/** What the lines for PostgreSQL cannot say. */
function aboutPostgres({ postgres }: Endpoints): Html | string {
  if (postgres === undefined) return ''
  const trust = postgres.tls
    ? html` If it says that it has no root certificate, add ${typed('sslrootcert=system')} (PostgreSQL 16 and later) or the file that the people who run this gateway give you.`
    : ''
  const word = postgres.browserSignIn
    ? html` Or type ${typed('browser')} there, and confirm the link that it shows in a browser on the same machine.`
    : ''
  return html`<p class="quiet small">psql asks for a password: paste one that you make here.${word}${trust}</p>`
}

function nothing(): Html {
  return html`<div class="card"><p>There is nothing that you may open now. Roles, their hours and the network that you come from decide; ask the people who run this gateway.</p></div>`
}

function card(page: ConnectPage, { place, form }: ConnectPage['places'][number]): Html {
  return html`<section class="card place">
<h2>${typed(`${place.login}@${place.target}`)}</h2>
${labels(place)}
${place.protocol === 'ssh' ? sshLines(page.endpoints, place) : postgresLines(page, place, form)}
</section>
`
}

function labels({ labels: all }: Place): Html | string {
  const texts = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return texts.length === 0 ? '' : html`<p class="quiet small">${visibleLine(texts.join(', '))}</p>`
}

function sshLines({ ssh }: Endpoints, place: Place): Html {
  return ssh === undefined ? noListener('SSH') : command(sshLine(ssh, place))
}

function postgresLines(page: ConnectPage, place: Place, form: Form): Html {
  const { postgres, oauth } = page.endpoints
  if (postgres === undefined) return noListener('PostgreSQL')
  return html`${command(psqlLine(postgres, place))}
${command(jdbcUrl(postgres, place))}
${oauth === undefined ? '' : html`<p class="quiet small">PostgreSQL 18 clients can sign in by themselves:</p>${command(oauthPsqlLine(oauth, place))}`}
${once(place, form)}
${place.passwords === undefined ? '' : often(page, place, form)}`
}

function noListener(protocol: string): Html {
  return html`<p>This gateway does not listen for ${protocol} clients.</p>`
}

function once(place: Place, form: Form): Html {
  return html`<form method="post" action="${form.action}">${hidden(place, form)}
<p class="actions"><button class="button second" type="submit" name="use" value="once" aria-label="Make a password for ${place.login}@${place.target}">Make a password</button></p>
</form>`
}

function often(page: ConnectPage, place: Place, form: Form): Html {
  const { forMs = 0, connections = 0 } = place.passwords ?? {}
  const id = `address-${page.places.findIndex(one => one.place === place)}`
  return html`<form method="post" action="${form.action}">${hidden(place, form)}
<label for="${id}">Address of the client, for tools that open several connections</label>
<input type="text" id="${id}" name="address" value="${page.browserAddress}" maxlength="45" autocomplete="off" spellcheck="false">
<p class="actions"><button class="button second" type="submit" name="use" value="often">Make one for ${connections} connections in ${duration(forMs)}</button></p>
</form>`
}

function hidden({ login, target }: Place, form: Form): Html {
  return html`<input type="hidden" name="token" value="${form.token}"><input type="hidden" name="login" value="${login}"><input type="hidden" name="target" value="${target}">`
}

function table(passwords: ConnectPage['passwords']): Html {
  return html`<div class="table"><table>
<thead><tr><th scope="col">For</th><th scope="col">From</th><th scope="col">Used</th><th scope="col">Until</th><th scope="col"><span class="skip">Revoke</span></th></tr></thead>
<tbody>${passwords.map(row)}</tbody>
</table></div>
<p class="quiet small">Revoking ends the sessions that a password opened, too. Signing out ends your passwords.</p>`
}

function row({ view, form }: ConnectPage['passwords'][number]): Html {
  const { login, target, sourceAddress, used, connections, firstUseBeforeMs, expiresAtMs } = view
  return html`<tr>
<td data-label="For">${typed(`${login}@${target}`)}</td>
<td data-label="From">${sourceAddress === undefined ? 'any address' : typed(sourceAddress)}</td>
<td data-label="Used" class="time">${used} of ${connections}</td>
<td data-label="Until" class="time">${utc(used === 0 ? firstUseBeforeMs : expiresAtMs)}</td>
<td data-label="Revoke"><form method="post" action="${form.action}"><input type="hidden" name="token" value="${form.token}"><button class="button plain" type="submit" aria-label="Revoke the password for ${login}@${target}">Revoke</button></form></td>
</tr>`
}

/** The one time that a password is shown. */
export function passwordPage(
  frame: Frame,
  shown: {
    readonly password: string
    readonly view: PasswordView
    readonly place: Place
    readonly endpoints: Endpoints
  },
): Html {
  const { password, view, place } = shown
  const { postgres } = shown.endpoints
  const body = html`<div class="card">
<h1>Your password for ${typed(`${view.login}@${view.target}`)}</h1>
<output class="code long" aria-label="Password">${password}</output>
<p>Paste it where your client asks for a password. Nothing is shown there while you paste.</p>
${postgres === undefined ? '' : command(psqlLine(postgres, place))}
<p>${terms(view)}</p>
<div class="note warn"><strong>It is a secret, shown this once.</strong>
<p>Whoever has it can work under your name as long as it counts. Nobody from support needs it. Do not put it on a command line, into a chat or a file.</p></div>
<p class="actions"><a class="button second" href="/connect">Done</a></p>
</div>`
  return layout({ ...frame, title: 'Your password', body })
}

function terms({ connections, sourceAddress, firstUseBeforeMs, expiresAtMs }: PasswordView): Html {
  if (connections === 1) return html`It works once, until ${utc(firstUseBeforeMs)}.`
  return html`It works for ${connections} connections${sourceAddress === undefined ? '' : html` from ${typed(sourceAddress)}`}, until ${utc(expiresAtMs)}, if it is first used before ${utc(firstUseBeforeMs)}.`
}

function command(line: string): Html {
  return html`<code class="command">${visibleLine(line, 1000)}</code>`
}

function typed(text: string): Html {
  return html`<span class="typed">${visibleLine(text)}</span>`
}
