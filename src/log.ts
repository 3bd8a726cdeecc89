import { pino, type Logger } from 'pino'

export type Log = Logger

/** Structured logs, one JSON object a line on stderr, so that nothing that a peer typed can forge a line. */
export function openLog(level: string = process.env['SALLYPORT_LOG'] ?? 'info'): Log {
  return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }))
}
