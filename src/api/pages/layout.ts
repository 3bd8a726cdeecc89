import { html } from 'hono/html'
import { type Html, visibleLine } from '../visible.ts'

export type Layout = {
  readonly title: string
  readonly gatewayName: string
  /** Reading pages are wide, questions are narrow. */
  readonly width?: 'narrow' | 'wide'
  /** Who is signed in, with the token of the sign-out form. */
  readonly person?: { readonly name: string; readonly formToken: string }
  readonly body: Html
}

/** The frame of every page: no script, no style but `/style.css`, one `h1` that the body brings. */
export function layout(page: Layout): Html {
  const width = page.width === 'wide' ? '' : 'narrow'
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${page.title} · Sallyport</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top"><div>
<a class="brand" href="/sessions">Sallyport</a>
<span class="gateway">${page.gatewayName}</span>
${page.person === undefined ? '' : person(page.person)}
</div></header>
<main id="main" class="${width}">
${page.body}
</main>
<footer class="${width}">Sessions through this gateway are recorded. Times are UTC.</footer>
</body>
</html>`
}

function person(signedIn: { readonly name: string; readonly formToken: string }): Html {
  return html`<div class="who"><span>${visibleLine(signedIn.name)}</span><a href="/sessions">Sessions</a><a href="/connect">Connect</a><a href="/keys">Keys</a>
<form method="post" action="/sign-out"><input type="hidden" name="token" value="${signedIn.formToken}"><button class="button plain" type="submit">Sign out</button></form></div>`
}

/** `2026-03-01 12:00:05 UTC`. */
export function utc(ms: number): Html {
  const iso = new Date(ms).toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`
}

/** `3 d 04 h`, `1 h 02 min`, `4 min 10 s`, `9 s`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const minutes = Math.floor(seconds / 60)
  if (minutes === 0) return `${seconds} s`
  if (minutes < 60 && seconds % 60 === 0) return `${minutes} min`
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`
  return `${Math.floor(hours / 24)} d ${String(hours % 24).padStart(2, '0')} h`
}

/** One row of a list of facts. */
export function fact(name: string, value: Html | string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}
