import type { JWTPayload } from 'jose'
import { Fault, reasonOf } from '../errors.ts'

/** A provider that does not answer in this time is away, in milliseconds. The client waits meanwhile. */
const requestTimeoutMs = 10_000

/** Bytes of an answer: a thousand groups of ordinary length fit. */
const maxAnswerBytes = 256 * 1024

export type Introspection = {
  readonly endpoint: string
  readonly clientId: string
  readonly clientSecret: { reveal(): string }
}

/**
 * Asks the issuer what an opaque token is (RFC 7662). Undefined if it is not active. Throws Fault ISSUER_UNAVAILABLE for everything
 * that is no answer to the question.
 */
export async function introspect(
  token: string,
  { endpoint, ...client }: Introspection,
): Promise<JWTPayload | undefined> {
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
      headers: { Accept: 'application/json', Authorization: basic(client) },
      redirect: 'error', // our secret is for this address alone
      signal: AbortSignal.timeout(requestTimeoutMs),
    })
    if (response.status !== 200) throw new Error(`it answered with status ${response.status}`)
    const said = JSON.parse(await textOf(response)) as unknown
    if (typeof said !== 'object' || said === null)
      throw new Error('it answered with something else than an object')
    return (said as { active?: unknown }).active === true ? (said as JWTPayload) : undefined
  } catch (thrown) {
    throw new Fault('ISSUER_UNAVAILABLE', 'The identity provider does not answer. Try again in a minute.', {
      log: `introspection at ${endpoint} failed: ${reasonOf(thrown)}`,
      cause: thrown,
    })
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maxAnswerBytes) throw new Error(`it answered with more than ${maxAnswerBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** RFC 6749, section 2.3.1: both are form-encoded before they are joined. */
function basic({ clientId, clientSecret }: Omit<Introspection, 'endpoint'>): string {
  const [id, secret] = [clientId, clientSecret.reveal()].map(text =>
    new URLSearchParams({ x: text }).toString().slice(2),
  )
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}
