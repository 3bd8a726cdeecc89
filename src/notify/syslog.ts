/** Sends messages to a syslog server: RFC 5424 over TLS with octet counting (RFC 5425), over plain TCP (RFC 6587) on loopback alone. */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { connect as connectTls } from 'node:tls'
import type { SyslogServer } from '../config/config.ts'

/** How long a server may take to accept a connection, take the message and close, all together. */
const timeoutMs = 10_000
/** RFC 5424, 6.2: what a field may hold, and how much of it. */
const notPrintable = /[^\u0021-\u007E]/g
const maxHostLength = 255
const maxMessageIdLength = 32

/** RFC 5424, 6.2.1: log audit. */
const facility = 13
export const syslogSeverities = { warning: 4, notice: 5, informational: 6 } as const

export type SyslogMessage = {
  readonly severity: keyof typeof syslogSeverities
  /** What kind of message it is, such as `checkpoint`. */
  readonly id: string
  readonly atMs: number
  /** UTF-8; control characters belong escaped, as in JSON. */
  readonly text: string
}

/**
 * Sends messages on a connection of their own and resolves when the server has closed or acknowledged its end: syslog has no
 * answers, so that is all that can be known. Rejects if they could not be sent, all of them.
 */
export function sendSyslogBatch(server: SyslogServer, messages: readonly SyslogMessage[]): Promise<void> {
  const frames = Buffer.concat(messages.map(frameOf))
  return new Promise((resolve, reject) => {
    const socket = connectSyslog(server)
    const late = new Error('the syslog server did not take the message in time')
    const timer = setTimeout(() => socket.destroy(late), timeoutMs) // whatever it sends meanwhile
    socket.once('error', reject)
    socket.once(server.tls === undefined ? 'connect' : 'secureConnect', () => socket.end(frames))
    socket.once('close', () => {
      clearTimeout(timer)
      if (socket.writableFinished) resolve()
      else reject(new Error('the syslog server closed before it had taken the message'))
    })
    socket.resume()
  })
}

/** Of a server without TLS it is on `connect`, else on `secureConnect` that it can take messages. */
export function connectSyslog({ host, port, tls }: SyslogServer): Socket {
  if (tls === undefined) return connectPlain({ host, port })
  const name = isIP(host) === 0 ? { servername: host } : {}
  return connectTls({
    host,
    port,
    minVersion: 'TLSv1.2',
    ...name,
    ...(tls.authority === undefined ? {} : { ca: tls.authority }),
  })
}

/** RFC 5425, 4.3: the length in octets, a blank, the message. */
export function frameOf({ severity, id, atMs, text }: SyslogMessage): Buffer {
  const header = [
    `<${facility * 8 + syslogSeverities[severity]}>1`,
    new Date(atMs).toISOString(),
    field(hostname(), maxHostLength),
    'sallyport',
    String(process.pid),
    field(id, maxMessageIdLength),
    '-',
  ].join(' ')
  const message = Buffer.from(`${header} \uFEFF${text}`)
  return Buffer.concat([Buffer.from(`${message.length} `), message])
}

function field(text: string, maxLength: number): string {
  return text.replaceAll(notPrintable, '').slice(0, maxLength) || '-'
}
