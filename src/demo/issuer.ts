import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { appendFileSync, mkdirSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import type { Configuration, Interaction, JWK, default as Provider } from 'oidc-provider'
import { Fault, reasonOf } from '../errors.ts'
import { memoryAdapter } from './issuer-memory.ts'
import { consentPage, errorPage, loginPage, styleSheet } from './issuer-pages.ts'

export type DemoPerson = {
  readonly name: string
  readonly password: string
  readonly email: string
  readonly groups: readonly string[]
}

export type DemoClient = {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUris: readonly string[]
}

export type IssuerOptions = {
  /** 0 lets the system choose. Listens on loopback only. */
  readonly port: number
  readonly people: readonly DemoPerson[]
  readonly clients: readonly DemoClient[]
  /** Where its `issuer.log` goes: nothing of it belongs on the terminal of the demo. */
  readonly folder: string
}

export type RunningIssuer = { readonly url: string; close(): Promise<void> }

/** Bytes of a login form. */
const maxFormBytes = 4096

/** Lines of its log: whoever reaches the port can cause one. */
const maxLogLines = 10_000

/** How long a login at the provider lasts, in seconds: a working day. */
const loginSeconds = 8 * 3600

const headers = {
  'Content-Security-Policy': "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
}

/**
 * The OpenID provider of the demo and of tests: real OpenID Connect (code flow, PKCE required, RS256 and ES256 keys made at each start)
 * with the people it is given. Plain http on loopback; for nothing else. Throws Fault PORT_IN_USE.
 */
export async function startIssuer(options: IssuerOptions): Promise<RunningIssuer> {
  const server = createServer()
  const url = `http://127.0.0.1:${await listen(server, options.port)}`
  const { default: OpenIdProvider } = await import('oidc-provider')
  const provider = new OpenIdProvider(url, await configurationOf(options))
  const log = openLog(options.folder, provider)
  const protocol = provider.callback()
  const own = new OwnPages(provider, options.people)
  server.on('request', (request, response) => {
    const answered = own.answers(request) ? own.answer(request, response) : protocol(request, response)
    Promise.resolve(answered).catch((thrown: unknown) => fail(response, log, thrown))
  })
  return { url, close: () => close(server) }
}

async function listen(server: Server, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(port, '127.0.0.1', resolve)
  try {
    await promise
  } catch (thrown) {
    const text = `The demo's identity provider cannot listen on port ${port}. Stop what uses it, or choose another.`
    throw new Fault('PORT_IN_USE', text, { log: reasonOf(thrown), cause: thrown })
  }
  return (server.address() as AddressInfo).port
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  await promise
}

async function configurationOf({ people, clients }: IssuerOptions): Promise<Configuration> {
  return {
    adapter: memoryAdapter(),
    clients: clients.map(client => ({
      client_id: client.clientId,
      client_secret: client.clientSecret,
      redirect_uris: [...client.redirectUris],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'client_secret_post',
    })),
    jwks: { keys: [await signingKey('RS256'), await signingKey('ES256')] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    claims: {
      openid: ['sub'],
      profile: ['name'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    scopes: ['openid', 'profile', 'email', 'groups'],
    // Otherwise the e-mail and the groups come from userinfo alone; many company providers put them into the token.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: false } },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_context, subject) => accountOf(people, subject),
    ttl: { Session: loginSeconds, Grant: loginSeconds, Interaction: 600, IdToken: 600, AccessToken: 600 },
    renderError: async (context, out) => {
      context.type = 'html'
      context.set(headers)
      context.body = (await errorPage(out.error, out.error_description ?? '')).toString()
    },
  }
}

async function signingKey(algorithm: 'RS256' | 'ES256'): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return {
    ...(await exportJWK(privateKey)),
    alg: algorithm,
    use: 'sig',
    kid: randomBytes(8).toString('hex'),
  }
}

/** Subjects are opaque, as at real providers: nobody may take the e-mail for the key. */
function subjectOf(person: DemoPerson): string {
  return createHash('sha256').update(`sallyport demo\n${person.name}`).digest('hex').slice(0, 24)
}

function accountOf(people: readonly DemoPerson[], subject: string) {
  const person = people.find(one => subjectOf(one) === subject)
  if (person === undefined) return undefined
  const { name, email, groups } = person
  const claims = { sub: subject, name, email, email_verified: true, groups: [...groups] }
  return { accountId: subject, claims: () => claims }
}

function openLog(folder: string, provider: Provider): (text: string) => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, 'issuer.log')
  let lines = 0
  const log = (text: string) => {
    lines += 1
    if (lines > maxLogLines) return
    appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), text })}\n`, { mode: 0o600 })
  }
  provider.on('server_error', (_context, error) => log(whyOf(error)))
  provider.on('authorization.error', (_context, error) => log(whyOf(error)))
  provider.on('grant.error', (_context, error) => log(whyOf(error)))
  return log
}

function whyOf(error: Error & { readonly error_description?: string | undefined }): string {
  return `${error.message}: ${error.error_description ?? ''}`
}

function fail(response: ServerResponse, log: (text: string) => void, thrown: unknown): void {
  log(reasonOf(thrown))
  if (response.headersSent) response.destroy()
  else void sendError(response)
}

async function sendError(response: ServerResponse): Promise<void> {
  sendPage(response, 400, await errorPage('That page is over', 'Go back to where you started and try again.'))
}

/** Login and consent, two steps as at real providers, without any script. */
class OwnPages {
  readonly #provider: Provider
  readonly #people: readonly DemoPerson[]

  constructor(provider: Provider, people: readonly DemoPerson[]) {
    this.#provider = provider
    this.#people = people
  }

  answers(request: IncomingMessage): boolean {
    return request.url === '/style.css' || (request.url ?? '').startsWith('/interaction/')
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/style.css') {
      response.writeHead(200, { ...headers, 'Content-Type': 'text/css; charset=utf-8' }).end(styleSheet)
      return
    }
    const interaction = await this.#provider.interactionDetails(request, response)
    if (request.method !== 'POST') return await this.#ask(response, interaction, false)
    if (interaction.prompt.name === 'login') return await this.#logIn(request, response, interaction)
    await this.#allow(request, response, interaction)
  }

  async #ask(response: ServerResponse, interaction: Interaction, wrong: boolean): Promise<void> {
    const action = `/interaction/${interaction.uid}`
    const names = this.#people.map(person => person.name)
    const scopes = textOf(interaction.params['scope']).split(' ')
    const page =
      interaction.prompt.name === 'login'
        ? loginPage(action, names, wrong)
        : consentPage(action, textOf(interaction.params['client_id']), scopes)
    sendPage(response, wrong ? 401 : 200, await page)
  }

  async #logIn(request: IncomingMessage, response: ServerResponse, interaction: Interaction): Promise<void> {
    const form = await readForm(request)
    const typed = form.get('password') ?? ''
    const person = this.#people.find(one => one.name === form.get('name') || one.email === form.get('name'))
    if (person === undefined || !sameText(typed, person.password))
      return await this.#ask(response, interaction, true)
    const login = { accountId: subjectOf(person), amr: ['pwd'], remember: true }
    await this.#provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false })
  }

  async #allow(request: IncomingMessage, response: ServerResponse, interaction: Interaction): Promise<void> {
    const { session, params } = interaction
    if (session?.accountId === undefined) throw new TypeError('consent without login')
    const grant = new this.#provider.Grant({
      accountId: session.accountId,
      clientId: textOf(params['client_id']),
    })
    grant.addOIDCScope(textOf(params['scope']))
    const consent = { grantId: await grant.save() }
    await this.#provider.interactionFinished(
      request,
      response,
      { consent },
      { mergeWithLastSubmission: true },
    )
  }
}

/** The parameters of a request as oidc-provider types them could be anything. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** `html` makes String objects, which sockets refuse. */
function sendPage(response: ServerResponse, status: number, page: Pick<string, 'toString'>): void {
  response.writeHead(status, { ...headers, 'Content-Type': 'text/html; charset=utf-8' }).end(page.toString())
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > maxFormBytes) throw new TypeError('the form is too large')
    parts.push(part)
  }
  return new URLSearchParams(Buffer.concat(parts).toString())
}

function sameText(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
