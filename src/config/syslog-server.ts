import type { SyslogServer } from './config.ts'

/** RFC 5425, 4.1, and RFC 6587. */
const SYSLOG_TLS_PORT = 6514
const SYSLOG_TCP_PORT = 601

/** From an address that `parseSyslogUrl` took; `authority`: PEM. */
export function syslogServerOf(url: string, authority: string | undefined): SyslogServer {
  const { protocol, hostname, port } = new URL(url)
  const isTls = protocol === 'tls:'
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isTls ? SYSLOG_TLS_PORT : SYSLOG_TCP_PORT) : Number(port),
    tls: isTls ? { authority } : undefined,
  }
}
