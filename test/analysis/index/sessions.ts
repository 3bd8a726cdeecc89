/** Sessions and entries for tests of the index. */
import type { WatchedSession } from '../../../src/analysis/analyst/session-observer.ts'
import type { Entry, EntryHit } from '../../../src/analysis/entry.ts'

export const openedAtMs: number = Date.parse('2026-11-22T09:00:00Z')

export function watched(id: string, more: Partial<WatchedSession> = {}): WatchedSession {
  return {
    id,
    protocol: 'ssh',
    issuer: 'https://issuer.example.com',
    subject: 'ada',
    principal: 'ada@example.com',
    target: 'web1',
    login: 'root',
    role: 'admin',
    sourceAddress: '127.0.0.1',
    openedAtMs,
    recording: `2026/${id}.rec`,
    labels: {},
    ...more,
  }
}

export function command(session: string, number: number, text: string, more: Partial<Entry> = {}): Entry {
  const offsetMs = number * 1000
  return {
    session,
    number,
    kind: 'command',
    atMs: openedAtMs + offsetMs,
    offsetMs,
    text,
    ...(more.kind === undefined ? { command: { channel: 0, found: 'prompt', sure: 0.9 } as const } : {}),
    ...more,
  }
}

export function hit(session: string, entry: number, rule: string): EntryHit {
  const offsetMs = entry * 1000
  return {
    session,
    entry,
    atMs: openedAtMs + offsetMs,
    offsetMs,
    rule,
    severity: 'high',
    technique: ['T1000'],
    quote: 'x',
  }
}
