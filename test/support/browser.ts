/**
 * A browser as a person without JavaScript would use it: a cookie jar, links, forms with their hidden fields, redirects. Reads only
 * the plain HTML that our pages and the demo's identity provider write.
 */

type Cookie = { readonly name: string; readonly value: string; readonly path: string; readonly host: string }

export type FormField = { readonly name: string; readonly value: string; readonly type: string }
export type FormButton = { readonly name: string; readonly value: string; readonly text: string }
export type Form = {
  readonly action: string
  readonly method: string
  readonly fields: readonly FormField[]
  readonly buttons: readonly FormButton[]
}

/** Redirects in a row before this browser gives up, like real ones. */
const maxRedirects = 20

export class Page {
  readonly url: URL
  readonly status: number
  readonly headers: Headers
  readonly html: string

  constructor(url: URL, status: number, headers: Headers, html: string) {
    this.url = url
    this.status = status
    this.headers = headers
    this.html = html
  }

  /** What a reader sees, without tags and with entities resolved. */
  get text(): string {
    const body = this.html.replace(/<head>[\s\S]*<\/head>/, '').replaceAll(/<[^>]*>/g, ' ')
    return unescapeHtml(body).replaceAll(/\s+/g, ' ').trim()
  }

  get heading(): string {
    return unescapeHtml((/<h1>([\s\S]*?)<\/h1>/.exec(this.html)?.[1] ?? '').replaceAll(/<[^>]*>/g, ''))
  }

  /** The code that the page shows, if it shows one. */
  get code(): string | undefined {
    return /<output class="code"[^>]*>([^<]*)<\/output>/.exec(this.html)?.[1]
  }

  get links(): readonly { readonly href: string; readonly text: string }[] {
    return [...this.html.matchAll(/<a\b([^>]*)>([\s\S]*?)<\/a>/g)].map(([, attributes = '', inner = '']) => ({
      href: attribute(attributes, 'href'),
      text: unescapeHtml(inner.replaceAll(/<[^>]*>/g, '')).trim(),
    }))
  }

  get forms(): readonly Form[] {
    return [...this.html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(
      ([, attributes = '', inner = '']) => ({
        action: attribute(attributes, 'action'),
        method: attribute(attributes, 'method').toUpperCase() || 'GET',
        fields: [...inner.matchAll(/<input\b([^>]*)>/g)].map(([, input = '']) => ({
          name: attribute(input, 'name'),
          value: attribute(input, 'value'),
          type: attribute(input, 'type') || 'text',
        })),
        buttons: [...inner.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/g)].map(
          ([, button = '', text = '']) => ({
            name: attribute(button, 'name'),
            value: attribute(button, 'value'),
            text: unescapeHtml(text).trim(),
          }),
        ),
      }),
    )
  }
}

export class Browser {
  readonly #cookies: Cookie[] = []
  /** Added to every request; tests of hostile requests set `Origin` and `Sec-Fetch-Site` here. */
  readonly headers: Record<string, string>
  /** Stops, with an empty page, before it follows a redirect to this path: tests carry the answer elsewhere. */
  stopBefore: string | undefined

  constructor(options: { headers?: Record<string, string> } = {}) {
    this.headers = options.headers ?? {}
  }

  /** Opens an address, as typed, pasted or clicked. */
  async open(address: string | URL, from?: Page): Promise<Page> {
    return await this.#go(new URL(address), { method: 'GET' }, from)
  }

  /** Clicks the link with this text. */
  async follow(page: Page, text: string): Promise<Page> {
    const link = page.links.find(one => one.text === text)
    if (link === undefined) throw new Error(`no link "${text}" on ${describe(page)}`)
    return await this.open(new URL(link.href, page.url), page)
  }

  /** Fills in what is visible, keeps what is hidden, and presses the button with this text. */
  async press(page: Page, button: string, typed: Record<string, string> = {}): Promise<Page> {
    const form = page.forms.find(one => one.buttons.some(b => b.text === button))
    const pressed = form?.buttons.find(b => b.text === button)
    if (form === undefined || pressed === undefined)
      throw new Error(`no button "${button}" on ${describe(page)}`)
    const body = new URLSearchParams()
    for (const field of form.fields) {
      if (field.type === 'checkbox' && typed[field.name] === undefined) continue // nobody ticked it
      body.append(field.name, typed[field.name] ?? field.value)
    }
    if (pressed.name !== '') body.set(pressed.name, pressed.value)
    return await this.#go(new URL(form.action, page.url), { method: form.method, body }, page)
  }

  /** Sends a form of the caller's making. */
  async post(address: string | URL, fields: Record<string, string>, from?: Page): Promise<Page> {
    return await this.#go(new URL(address), { method: 'POST', body: new URLSearchParams(fields) }, from)
  }

  /** From the link in the terminal to the code, as a person would: look, sign in, allow, look again, confirm. */
  async signInAndGetCode(
    url: string,
    person: { readonly name: string; readonly password: string },
  ): Promise<string> {
    const asked = await this.signInAt(await this.open(url), person)
    const shown = await this.press(asked, 'Yes, show me the code')
    if (shown.code === undefined) throw new Error(`no code on ${describe(shown)}`)
    return shown.code
  }

  /** Presses "Sign in" and walks through the provider, as far as it asks, back to the gateway's page. */
  async signInAt(page: Page, person: { readonly name: string; readonly password: string }): Promise<Page> {
    let at = page.links.some(link => link.text === 'Sign in') ? await this.follow(page, 'Sign in') : page
    if (at.heading === 'Log in') at = await this.press(at, 'Log in', person)
    if (at.forms.some(form => form.buttons.some(button => button.text === 'Allow')))
      at = await this.press(at, 'Allow')
    return at
  }

  cookie(name: string): string | undefined {
    return this.#cookies.find(cookie => cookie.name === name)?.value
  }

  setCookie(name: string, value: string, host: string): void {
    this.#keep({ name, value, host, path: '/' })
  }

  async #go(address: URL, request: { method: string; body?: URLSearchParams }, from?: Page): Promise<Page> {
    let url = address
    let { method, body } = request
    let origin = from?.url.origin
    for (let hops = 0; hops <= maxRedirects; hops += 1) {
      const response = await this.#fetch(url, method, body, origin)
      const location = response.headers.get('location')
      if (location === null) return new Page(url, response.status, response.headers, await response.text())
      await response.body?.cancel()
      if (new URL(location, url).pathname === this.stopBefore)
        return new Page(new URL(location, url), 0, response.headers, '')
      // The site of a chain of redirects is the worst of its links (Fetch Metadata), so that a way over the issuer is cross-site.
      const next = new URL(location, url)
      if (origin !== undefined && next.origin !== origin) origin = 'elsewhere'
      if (response.status !== 307 && response.status !== 308)
        ({ method, body } = { method: 'GET', body: undefined })
      url = next
    }
    throw new Error(`more than ${maxRedirects} redirects from ${address.href}`)
  }

  async #fetch(
    url: URL,
    method: string,
    body: URLSearchParams | undefined,
    origin: string | undefined,
  ): Promise<Response> {
    const headers = new Headers({
      Accept: 'text/html,application/xhtml+xml',
      Cookie: this.#cookiesFor(url),
      'Sec-Fetch-Site': siteOf(url, origin),
      'Sec-Fetch-Mode': 'navigate',
      // Pages with `Referrer-Policy: no-referrer` make browsers say this.
      ...(method === 'POST' ? { Origin: 'null' } : {}),
      ...this.headers,
    })
    const response = await fetch(url, {
      method,
      headers,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    })
    for (const line of response.headers.getSetCookie()) this.#store(url, line)
    return response
  }

  #store(url: URL, line: string): void {
    const [pair = '', ...attributes] = line.split(';').map(part => part.trim())
    const cut = pair.indexOf('=')
    const settings = new Map(
      attributes.map(text => [text.split('=')[0]?.toLowerCase() ?? '', text.split('=')[1] ?? '']),
    )
    const cookie = {
      name: pair.slice(0, cut),
      value: pair.slice(cut + 1),
      host: url.hostname,
      path: settings.get('path') ?? '/',
    }
    const expires = settings.get('expires')
    const over =
      settings.get('max-age') === '0' || (expires !== undefined && Date.parse(expires) <= Date.now())
    this.#keep(cookie, over)
  }

  #keep(cookie: Cookie, over = false): void {
    const at = this.#cookies.findIndex(
      one => one.name === cookie.name && one.path === cookie.path && one.host === cookie.host,
    )
    if (at >= 0) this.#cookies.splice(at, 1)
    if (!over) this.#cookies.push(cookie)
  }

  #cookiesFor(url: URL): string {
    return this.#cookies
      .filter(cookie => cookie.host === url.hostname && url.pathname.startsWith(cookie.path))
      .map(cookie => `${cookie.name}=${cookie.value}`)
      .join('; ')
  }
}

function siteOf(url: URL, origin: string | undefined): string {
  if (origin === undefined) return 'none'
  if (origin === url.origin) return 'same-origin'
  return origin !== 'elsewhere' && new URL(origin).hostname === url.hostname ? 'same-site' : 'cross-site'
}

function describe(page: Page): string {
  return `${page.url.pathname} (${page.status}): ${page.text.slice(0, 300)}`
}

function attribute(attributes: string, name: string): string {
  return unescapeHtml(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '')
}

function unescapeHtml(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' }
  return text.replaceAll(/&(lt|gt|quot|#39|amp);/g, (_, name: string) => named[name] ?? '')
}
