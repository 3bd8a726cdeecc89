/** Traces to a collector of OpenTelemetry. */
import type { Clock } from '../../clock.ts'
import { printable } from '../../config/printable.ts'
import { reasonOf } from '../../errors.ts'
import { problemOfAnswer } from '../answer-problem.ts'
import { type HttpPlace, HttpPoster } from '../http-post.ts'
import type { Producer } from '../ocsf/mapped.ts'
import { spanOf, tracesBody } from '../otlp.ts'
import type { Message, Outcome, Sink } from './sink.ts'

export type OtlpSinkOptions = HttpPlace & {
  /** Sent as `Authorization: Bearer`. */
  readonly token: string | undefined
  readonly producer: Producer
  readonly clock: Clock
}

export class OtlpSink implements Sink {
  readonly batch = 64
  readonly maxBytes = 64 * 1024
  readonly #options: OtlpSinkOptions
  readonly #poster: HttpPoster

  constructor(options: OtlpSinkOptions) {
    this.#options = options
    this.#poster = new HttpPoster(options)
  }

  async deliver(messages: readonly Message[]): Promise<Outcome> {
    const spans = messages.map(({ event }) => spanOf(event)).filter(span => span !== undefined)
    if (spans.length === 0) return { taken: messages.length }
    const { token, producer, clock } = this.#options
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    try {
      const headers = { 'content-type': 'application/json', ...authorization }
      const answer = await this.#poster.post(headers, tracesBody(spans, producer))
      if (answer.status >= 200 && answer.status < 300) return { taken: messages.length }
      return { taken: 0, problem: problemOfAnswer(answer, clock.nowMs()) }
    } catch (cause) {
      return { taken: 0, problem: { kind: 'away', reason: printable(reasonOf(cause), 200) } }
    }
  }

  async close(): Promise<void> {
    this.#poster.close()
  }
}
