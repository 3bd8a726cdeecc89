/** Messages to a webhook, one after the other, signed as Standard Webhooks says. */
import type { Clock } from '../../clock.ts'
import { printable } from '../../config/printable.ts'
import { reasonOf } from '../../errors.ts'
import { parseAsk } from '../ask.ts'
import { type HttpAnswer, type HttpPlace, HttpPoster } from '../http-post.ts'
import { retryAfterMs } from '../retry-after.ts'
import { signedHeaders } from '../standard-webhooks.ts'
import type { Message, Outcome, Problem, Sink } from './sink.ts'

const maxBytes = 64 * 1024
/** They say nothing about the message: 408 and 425 too early or late, 429 too many, 502 to 504 nobody behind the proxy. */
const awayStatuses: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504])

export type WebhookSinkOptions = HttpPlace & {
  /** One or two. */
  readonly secrets: readonly string[]
  readonly clock: Clock
}

export class WebhookSink implements Sink {
  readonly batch = 1
  readonly maxBytes = maxBytes
  readonly #options: WebhookSinkOptions
  readonly #poster: HttpPoster

  constructor(options: WebhookSinkOptions) {
    this.#options = options
    this.#poster = new HttpPoster(options)
  }

  async deliver([message]: readonly Message[]): Promise<Outcome> {
    if (message === undefined) return { taken: 0 }
    try {
      return this.#outcomeOf(await this.#post(message), message)
    } catch (cause) {
      return { taken: 0, problem: { kind: 'away', reason: printable(reasonOf(cause), 200) } }
    }
  }

  async close(): Promise<void> {
    this.#poster.close()
  }

  #post({ uid, kind, atMs, body: data }: Message): Promise<HttpAnswer> {
    const { clock, secrets } = this.#options
    const about = JSON.stringify({ type: kind, timestamp: new Date(atMs).toISOString() }).slice(0, -1)
    const body = `${about},"data":${data}}`
    const atSeconds = Math.floor(clock.nowMs() / 1000)
    const headers = signedHeaders({ id: uid, atSeconds, body }, secrets)
    return this.#poster.post({ 'content-type': 'application/json', ...headers }, body)
  }

  #outcomeOf(answer: HttpAnswer, { kind }: Message): Outcome {
    const { status, body } = answer
    if (status < 200 || status > 299) return { taken: 0, problem: this.#problemOf(answer) }
    // What follows from an ask is no occasion to ask again, or two machines would go on for ever.
    const ask = kind.startsWith('ask-') ? undefined : parseAsk(body)
    return { taken: 1, ...(ask === undefined ? {} : { asks: [ask] }) }
  }

  #problemOf({ status, retryAfter }: HttpAnswer): Problem {
    if (status === 410)
      return { kind: 'gone', reason: 'it answered with status 410: it wants no more messages' }
    const waitMs = retryAfterMs(retryAfter, this.#options.clock.nowMs())
    const redirect = status >= 300 && status < 400 ? ', a redirect, and those are not followed' : ''
    return {
      kind: awayStatuses.has(status) ? 'away' : 'refused',
      reason: `it answered with status ${status}${redirect}`,
      ...(waitMs === undefined ? {} : { waitMs }),
    }
  }
}
