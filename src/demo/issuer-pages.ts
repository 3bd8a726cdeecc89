import { html } from 'hono/html'
import { styleSheet } from '../api/style.ts'
import { type Html, visibleLine } from '../api/visible.ts'

/** The demo's identity provider is somebody else than the gateway, and says so on each page. */
function frame(title: string, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Demo identity provider</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header class="top"><div><span class="brand">Demo identity provider</span><span class="gateway">stands for your company's own</span></div></header>
<main class="narrow"><div class="card">${body}</div></main>
</body>
</html>`
}

export function loginPage(action: string, people: readonly string[], wrong: boolean): Html {
  return frame(
    'Log in',
    html`<h1>Log in</h1>
${wrong ? html`<div class="note warn" role="alert"><strong>That name and password do not belong together.</strong><p>Try again.</p></div>` : ''}
<form method="post" action="${action}">
<label for="name">Name</label>
<input id="name" name="name" type="text" autocomplete="username" required maxlength="100" autocapitalize="none" spellcheck="false">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="200">
<div class="actions"><button class="button" type="submit">Log in</button></div>
</form>
<p class="quiet small">People of this demo: ${people.join(', ')}. Passwords were printed where the demo was started; those that were not are in people.json of its folder.</p>`,
  )
}

export function consentPage(action: string, client: string, scopes: readonly string[]): Html {
  return frame(
    'Allow',
    html`<h1>Tell ${visibleLine(client)} who you are?</h1>
<p>It will learn: ${scopes.join(', ')}.</p>
<form method="post" action="${action}"><div class="actions"><button class="button" type="submit">Allow</button></div></form>`,
  )
}

export function errorPage(title: string, text: string): Html {
  return frame('Something went wrong', html`<h1>${visibleLine(title)}</h1><p>${visibleLine(text)}</p>`)
}

export { styleSheet }
