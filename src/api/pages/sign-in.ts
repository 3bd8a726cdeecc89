import { html } from 'hono/html'
import type { EnrolmentTerms } from '../../identity/enrolled-keys.ts'
import type { Protocol } from '../../model.ts'
import type { SignInView } from '../../identity/waiting-sign-in.ts'
import { type Html, visibleLine } from '../visible.ts'
import { duration, fact, type Layout, layout, utc } from './layout.ts'

type Frame = Pick<Layout, 'gatewayName' | 'person'>

const protocolNames: Readonly<Record<Protocol, string>> = { ssh: 'SSH', postgres: 'PostgreSQL' }

/** The first page behind the link in the terminal: what asks, and the way to the issuer. */
export function landingPage(frame: Frame, view: SignInView, browserAddress: string, startPath: string): Html {
  const body = html`<div class="card">
<h1>A terminal is waiting for you to sign in</h1>
${whatAsks(view, browserAddress)}
<p>${view.answer === 'confirmation' ? 'Sign in, look at the details once more, and confirm.' : 'Sign in, look at the details once more, and you get a short code for the terminal.'}</p>
<p class="actions"><a class="button" href="${startPath}">Sign in</a></p>
<p class="quiet small">${timeLeft(view)}</p>
</div>`
  return layout({ ...frame, title: 'Sign in', body })
}

/** The question that only the person can answer: did you start this? */
export function confirmPage(
  frame: Frame & { readonly person: { readonly name: string; readonly formToken: string } },
  view: SignInView,
  browserAddress: string,
  form: { readonly action: string; readonly token: string },
  keys: { readonly terms: EnrolmentTerms | undefined; readonly enrolled: number },
): Html {
  const body = html`<div class="card">
<h1>Did you start this connection?</h1>
<p>If you continue, the terminal below is signed in as <strong>${visibleLine(frame.person.name)}</strong>.</p>
${whatAsks(view, browserAddress)}
<div class="note warn"><strong>Only continue if you started this yourself.</strong>
<p>If somebody sent you this link or asks you for a code, deny it: the code lets them work under your name.</p></div>
<form method="post" action="${form.action}">
<input type="hidden" name="token" value="${form.token}">
${keys.terms === undefined ? '' : enrolTick(keys.terms)}
<div class="actions">
<button class="button" type="submit" name="decision" value="confirm">Yes, show me the code</button>
<button class="button deny" type="submit" name="decision" value="deny">No, deny it</button>
</div>
</form>
<p class="quiet small">${timeLeft(view)}</p>
${keys.enrolled === 0 ? '' : enrolledNote(keys.enrolled)}
</div>`
  return layout({ ...frame, title: 'Confirm the connection', body })
}

/** Never ticked beforehand: it is the person's own wish or nothing. */
function enrolTick(terms: EnrolmentTerms): Html {
  return html`<p><label class="tick"><input type="checkbox" name="enrol" value="yes"> This key signs me in until ${terms.until}, from this network (${terms.network}), without a browser.</label>
<span class="quiet small">Counts once you have typed the code. Tick it only for a key and a machine of your own.</span></p>`
}

/** So that nobody has an enrolled key without coming across it. */
function enrolledNote(count: number): Html {
  return html`<p class="quiet small">${count === 1 ? 'One key signs' : `${count} keys sign`} you in without a browser now. <a href="/keys">See and revoke</a></p>`
}

/** The same question of a connection that has no prompt for a code. Only a browser at its own address is asked it. */
export function confirmWithoutCodePage(
  frame: Frame & { readonly person: { readonly name: string; readonly formToken: string } },
  view: SignInView,
  browserAddress: string,
  form: { readonly action: string; readonly token: string },
): Html {
  const same = view.sourceAddress === browserAddress
  const body = html`<div class="card">
<h1>${same ? 'Did you start this connection?' : 'This connection needs a password'}</h1>
${same ? html`<p>If you continue, the connection below is signed in as <strong>${visibleLine(frame.person.name)}</strong>, at once and without a code.</p>` : ''}
${whatAsks(view, browserAddress)}
<div class="note warn"><strong>${same ? 'Only continue if you started this yourself, just now.' : 'It comes from another address than this browser.'}</strong>
<p>${same ? 'If somebody sent you this link, deny it: whoever started the connection would work under your name.' : html`So it cannot be confirmed here. If you started it, <a href="/connect">make a password</a> and paste it where your client asks for one. If you did not, deny it.`}</p></div>
<form method="post" action="${form.action}">
<input type="hidden" name="token" value="${form.token}">
<div class="actions">
${same ? html`<button class="button" type="submit" name="decision" value="confirm">Yes, sign it in</button>` : ''}
<button class="button deny" type="submit" name="decision" value="deny">No, deny it</button>
</div>
</form>
<p class="quiet small">${timeLeft(view)}</p>
</div>`
  return layout({ ...frame, title: 'Confirm the connection', body })
}

/** The code, large, and the one place where it belongs. */
export function codePage(
  frame: Frame,
  code: string,
  view: SignInView,
  terms: EnrolmentTerms | undefined,
): Html {
  const body = html`<div class="card">
<h1>Type this code in your terminal</h1>
<output class="code" aria-label="Code, letter by letter: ${code.split('').join(' ')}">${code}</output>
<p>Type it at the prompt of the terminal in which you started the connection, then press Enter. Capital or small letters, with or without the dash.</p>
<div class="note warn"><strong>The code belongs in your own terminal only.</strong>
<p>Nobody from support needs it. It works once, for that connection alone.</p></div>
${terms === undefined ? '' : enrolPromise(view, terms)}
<p class="quiet small">It works for another ${duration(view.remainingMs)}. You can close this page afterwards.</p>
</div>`
  return layout({ ...frame, title: 'Your code', body })
}

function enrolPromise(view: SignInView, terms: EnrolmentTerms): Html {
  return html`<div class="note good"><strong>With the code, your key is enrolled.</strong>
<p>${typed(view.keyFingerprint ?? '')} signs you in until ${terms.until} from ${terms.network}. <a href="/keys">Your keys</a> shows and revokes it.</p></div>`
}

function whatAsks(view: SignInView, browserAddress: string): Html {
  const same = view.sourceAddress === browserAddress
  return html`<dl class="facts">
${fact('Connection', protocolNames[view.protocol])}
${view.target === undefined ? html`${fact('User name', typed(view.userName))}${fact('Target', 'one that you may use, chosen in the terminal')}` : fact('Target', typed(view.target))}
${view.login === undefined ? '' : fact('Login', typed(view.login))}
${fact('From address', typed(view.sourceAddress))}
${fact('This browser', same ? 'the same address' : html`${typed(browserAddress)}, another address`)}
${view.keyFingerprint === undefined ? '' : fact('SSH key', typed(view.keyFingerprint))}
${fact('Started', utc(view.openedAtMs))}
</dl>
${same ? '' : otherAddress()}`
}

function otherAddress(): Html {
  return html`<div class="note warn"><strong>The terminal is not where this browser is.</strong>
<p>That is expected with a jump host, a VPN or a proxy for the web. If you expected neither, deny it.</p></div>`
}

function typed(text: string): Html {
  return html`<span class="typed">${visibleLine(text)}</span>`
}

function timeLeft(view: SignInView): string {
  return `This link works for another ${duration(view.remainingMs)} and for this connection only.`
}

const welcomes = {
  sessions: {
    title: 'Sign in to see sessions',
    text: html`These pages are for people who review sessions. To open a session yourself, connect with <span class="typed">ssh</span> and follow the link that it shows, or see <a href="/connect">how to connect</a>.`,
  },
  connect: {
    title: 'Sign in to connect',
    text: html`Here you see what you may open and as whom, and make passwords for PostgreSQL clients.`,
  },
}

/** The way into the pages themselves, for people without a terminal waiting. */
export function welcomePage(frame: Frame, startPath: string, what: keyof typeof welcomes = 'sessions'): Html {
  const body = html`<div class="card">
<h1>${welcomes[what].title}</h1>
<p>${welcomes[what].text}</p>
<p class="actions"><a class="button" href="${startPath}">Sign in</a></p>
</div>`
  return layout({ ...frame, title: 'Sign in', body })
}
