/** Messages to a syslog server, those of one batch on one connection. */
import { reasonOf } from '../../errors.ts'
import type { SyslogServer } from '../../config/config.ts'
import { sendSyslogBatch } from '../syslog.ts'
import type { Message, Outcome, Sink } from './sink.ts'

/** RFC 5425, 4.3.1: receivers should take 8,192 octets; the header has its part of them. */
const maxBytes = 7 * 1024

export class SyslogSink implements Sink {
  readonly batch = 256
  readonly maxBytes = maxBytes
  readonly #server: SyslogServer

  constructor(server: SyslogServer) {
    this.#server = server
  }

  /** Syslog has no answers: a batch arrived if the server read to its end and closed. */
  async deliver(messages: readonly Message[]): Promise<Outcome> {
    try {
      await sendSyslogBatch(
        this.#server,
        messages.map(({ kind, atMs, body, isUrgent }) => ({
          severity: isUrgent ? 'warning' : 'informational',
          id: kind,
          atMs,
          text: body,
        })),
      )
      return { taken: messages.length }
    } catch (cause) {
      return { taken: 0, problem: { kind: 'away', reason: reasonOf(cause) } }
    }
  }

  async close(): Promise<void> {}
}
