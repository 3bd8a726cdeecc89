/** Messages to a webhook, one after the other, signed as Standard Webhooks says. */
import type { Clock } from '../../clock.ts'
import { printable } from '../../config/printable.ts'
import { reasonOf } from '../../errors.ts'
import { problemOfAnswer } from '../answer-problem.ts'
import { parseAsk } from '../ask.ts'
import { type HttpAnswer, type HttpPlace, HttpPoster } from '../http-post.ts'
import { signedHeaders } from '../standard-webhooks.ts'
import type { Message, Outcome, Sink } from './sink.ts'

const maxBytes = 64 * 1024
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
    if (status < 200 || status > 299)
      return { taken: 0, problem: problemOfAnswer(answer, this.#options.clock.nowMs()) }
    // What follows from an ask is no occasion to ask again, or two machines would go on for ever.
    const ask = kind.startsWith('ask-') ? undefined : parseAsk(body)
    return { taken: 1, ...(ask === undefined ? {} : { asks: [ask] }) }
  }
}
