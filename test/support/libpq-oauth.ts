/**
 * Does what libpq 18 does for OAUTHBEARER (fe-auth-oauth.c, oauth-curl.c), frame by frame, and is as strict: discovery on a first
 * connection, the device flow at the provider, the token on a second connection.
 */

/** One connection after its StartupMessage; `read` gives undefined once the server has closed it. */
export type Channel = {
  readonly write: (frame: Buffer) => void
  readonly read: () => Promise<{ readonly type: string; readonly body: Buffer } | undefined>
  readonly close: () => void
}

export type LibpqSettings = { readonly issuer: string; readonly clientId: string }

/** PQconnectPoll takes no longer authentication message. Bytes. */
const maxAuthenticationBytes = 2000

export type LibpqOutcome =
  | { readonly kind: 'connected'; readonly channel: Channel }
  | { readonly kind: 'failed'; readonly message: string; readonly fields: ReadonlyMap<string, string> }

/** `visit`: what the person does who reads "Visit … and enter the code". */
export async function connectLikeLibpq18(
  open: () => Promise<Channel>,
  settings: LibpqSettings,
  visit: (verificationUri: string) => Promise<void>,
): Promise<LibpqOutcome> {
  const first = await present(await open(), '')
  if (first.kind === 'connected') throw new Error('connected without a token')
  const scope = checkStatus(first.status, settings)
  return await connectWithToken(open, await deviceFlow(settings, scope, visit))
}

/** The second connection. */
export async function connectWithToken(open: () => Promise<Channel>, token: string): Promise<LibpqOutcome> {
  const outcome = await present(await open(), `Bearer ${token}`)
  return outcome.kind === 'connected' ? outcome : { kind: 'failed', ...errorOf(outcome.error) }
}

type Presented =
  | { readonly kind: 'connected'; readonly channel: Channel }
  | { readonly kind: 'refused'; readonly status: Record<string, unknown>; readonly error: Buffer }

async function present(channel: Channel, auth: string): Promise<Presented> {
  const offered = await authentication(channel, 10)
  if (!offered.toString().split('\0').includes('OAUTHBEARER'))
    throw new Error("none of the server's SASL authentication mechanisms are supported")
  channel.write(initialResponse(`n,,\u0001auth=${auth}\u0001\u0001`))
  const answer = await channel.read()
  if (answer?.type !== 'R') throw new Error(`expected authentication request, but received ${answer?.type}`)
  if (answer.body.length + 4 > maxAuthenticationBytes)
    throw new Error('received invalid authentication request')
  const code = answer.body.readInt32BE()
  if (code === 0) return { kind: 'connected', channel }
  if (code !== 11) throw new Error(`authentication request ${code} was not expected`)
  const status = JSON.parse(answer.body.toString('utf8', 4)) as Record<string, unknown>
  channel.write(frame(Buffer.of(1)))
  const error = await channel.read()
  if (error?.type !== 'E') throw new Error('the server did not fail after its error status')
  if ((await channel.read()) !== undefined) throw new Error('the server did not close')
  return { kind: 'refused', status, error: error.body }
}

async function authentication(channel: Channel, code: number): Promise<Buffer> {
  const message = await channel.read()
  if (message?.type !== 'R' || message.body.readInt32BE() !== code)
    throw new Error(`expected authentication request ${code}, but received ${message?.type}`)
  return message.body.subarray(4)
}

/** handle_oauth_sasl_error and check_issuer: byte for byte. */
function checkStatus(status: Record<string, unknown>, { issuer }: LibpqSettings): string {
  if (status['status'] !== 'invalid_token')
    throw new Error(`server sent error response: ${String(status['status'])}`)
  if (status['openid-configuration'] !== `${issuer}/.well-known/openid-configuration`)
    throw new Error('server’s discovery document is not the one of oauth_issuer')
  return typeof status['scope'] === 'string' ? status['scope'] : ''
}

/** RFC 8628, as libpq-oauth does it. */
export async function deviceFlow(
  { issuer, clientId }: LibpqSettings,
  scope: string,
  visit: (verificationUri: string) => Promise<void>,
): Promise<string> {
  const metadata = await json(await fetch(`${issuer}/.well-known/openid-configuration`))
  if (metadata['issuer'] !== issuer) throw new Error('the issuer identifier does not match oauth_issuer')
  const device = await post(String(metadata['device_authorization_endpoint']), { scope, client_id: clientId })
  await visit(String(device['verification_uri_complete']))
  for (;;) {
    const answer = await post(String(metadata['token_endpoint']), {
      device_code: String(device['device_code']),
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id: clientId,
    })
    if (typeof answer['access_token'] === 'string') return answer['access_token']
    if (answer['error'] !== 'authorization_pending')
      throw new Error(`the provider answered ${String(answer['error'])}`)
  }
}

async function post(url: string, fields: Record<string, string>): Promise<Record<string, unknown>> {
  return await json(await fetch(url, { method: 'POST', body: new URLSearchParams(fields) }))
}

async function json(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>
}

export function initialResponse(data: string, mechanism = 'OAUTHBEARER'): Buffer {
  const bytes = Buffer.from(data, 'latin1')
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return frame(Buffer.concat([Buffer.from(`${mechanism}\0`), length, bytes]))
}

function frame(body: Buffer): Buffer {
  const head = Buffer.from('p\0\0\0\0', 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function errorOf(body: Buffer): { message: string; fields: ReadonlyMap<string, string> } {
  const parts = body
    .toString('utf8')
    .split('\0')
    .filter(part => part !== '')
  const fields = new Map(parts.map(part => [part[0] ?? '', part.slice(1)]))
  return { message: fields.get('M') ?? '', fields }
}
