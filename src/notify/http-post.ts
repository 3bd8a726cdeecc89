/** One POST to a receiver that may be anything: refuses, hangs, trickles, redirects, answers without end. */
import {
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestPlain,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as requestTls } from 'node:https'
import { isIP } from 'node:net'
import { judgedLookup, refusedAddress } from './address-rule.ts'

/** From the look-up of the name to the end of the answer. */
export const answerTimeoutMs = 10_000
/** More of an answer is not read. */
export const maxAnswerBytes = 16 * 1024
/** One connection is kept for the next message, and one more for what somebody retries. */
const maxSockets = 2

export type HttpAnswer = {
  readonly status: number
  readonly retryAfter: string | undefined
  /** Undefined where it is too long, or did not come in time. */
  readonly body: string | undefined
}

export type HttpPlace = {
  readonly url: string
  /** PEM; undefined: those that this machine trusts. */
  readonly authority?: string | undefined
  /** Shorter in tests. */
  readonly timeoutMs?: number
}

export class HttpPoster {
  readonly #url: URL
  readonly #timeoutMs: number
  readonly #agent: HttpAgent | HttpsAgent
  readonly #host: string

  constructor({ url, authority, timeoutMs = answerTimeoutMs }: HttpPlace) {
    this.#url = new URL(url)
    this.#host = this.#url.hostname.replace(/^\[|\]$/g, '')
    this.#timeoutMs = timeoutMs
    const common = { keepAlive: true, maxSockets, maxFreeSockets: 1 }
    this.#agent =
      this.#url.protocol === 'http:'
        ? new HttpAgent(common)
        : new HttpsAgent({
            ...common,
            minVersion: 'TLSv1.2',
            ...(authority === undefined ? {} : { ca: authority }),
          })
  }

  /** Redirects are answers like others: they are not followed. Rejects where no answer began in time. */
  post(headers: Readonly<Record<string, string>>, body: string): Promise<HttpAnswer> {
    const refused = isIP(this.#host) === 0 ? undefined : refusedAddress(this.#host, this.#host)
    if (refused !== undefined) return Promise.reject(new Error(refused))
    const bytes = Buffer.from(body)
    const options: RequestOptions = {
      method: 'POST',
      agent: this.#agent,
      lookup: judgedLookup(this.#host),
      headers: { ...headers, 'content-length': String(bytes.length), 'user-agent': 'Sallyport' },
    }
    return this.#send(options, bytes).catch((cause: unknown) => {
      if (!(cause instanceof StaleConnection)) throw cause
      return this.#send(options, bytes)
    })
  }

  #send(options: RequestOptions, bytes: Buffer): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const send = this.#url.protocol === 'http:' ? requestPlain : requestTls
      const request = send(this.#url, options)
      let answer: IncomingMessage | undefined
      const timer = setTimeout(() => {
        if (answer === undefined) reject(new Error('it did not answer in time'))
        request.destroy()
      }, this.#timeoutMs)
      request.once('response', response => {
        answer = response
        resolve(readAnswer(response).finally(() => clearTimeout(timer)))
      })
      request.on('error', cause => {
        clearTimeout(timer)
        reject(request.reusedSocket && isReset(cause) ? new StaleConnection() : cause)
      })
      request.end(bytes)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/**
 * The connection was kept from the message before, and the receiver had closed it meanwhile: nothing is wrong with the receiver. Sent again
 * at once on a new one, which is no harm if it was taken after all: its id is the same.
 */
class StaleConnection extends Error {}

function isReset(cause: unknown): boolean {
  const { code } = cause as { code?: unknown }
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/** The status counts as soon as it is there; a body that does not end, or ends badly, is none. */
function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const { statusCode: status = 0, headers } = response
  const parts: Buffer[] = []
  let bytes = 0
  return new Promise(resolve => {
    const end = (body: string | undefined): void =>
      resolve({ status, retryAfter: headers['retry-after'], body })
    response.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes <= maxAnswerBytes) return void parts.push(part)
      end(undefined)
      response.destroy()
    })
    response.once('end', () => end(Buffer.concat(parts).toString()))
    response.once('error', () => end(undefined))
    response.once('close', () => end(undefined))
  })
}
