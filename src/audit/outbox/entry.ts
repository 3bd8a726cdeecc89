/** What a process writes down for the one that has the logs: an entry of the audit log, a leaf of the log of sessions, a refusal to count. */
import type { AuditEvent } from '../audit-log.ts'
import type { Leaf } from '../tree/leaf.ts'
import type { AuditValue } from '../line.ts'

export type OutboxSaying =
  | { readonly audit: AuditEvent }
  | { readonly leaf: Leaf }
  /** As `RefusalNotes.note` takes it: whoever takes it over decides whether it is written. */
  | {
      readonly note: { readonly sourceAddress: string; readonly event: Readonly<Record<string, AuditValue>> }
    }

/** Numbered from 1 on, without a gap. `atMs` is when it was said. */
export type OutboxEntry = { readonly n: number; readonly atMs: number } & OutboxSaying

/** The last line of a file that another one follows. */
export const nextFileLine: Buffer = Buffer.from('{"next":true}\n')

export function encodeEntry(entry: OutboxEntry): Buffer {
  return Buffer.from(`${JSON.stringify(entry)}\n`)
}

/** Undefined where another file follows. Throws for what the other process does not write. */
export function decodeEntry(line: string): OutboxEntry | undefined {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null) throw new Error('an entry of the outbox is none')
  if ('next' in value) return undefined
  const { n, atMs } = value as { n?: unknown; atMs?: unknown }
  const says = ['audit', 'leaf', 'note'].filter(kind => isObject((value as Record<string, unknown>)[kind]))
  if (!Number.isSafeInteger(n) || !Number.isSafeInteger(atMs) || says.length !== 1)
    throw new Error('an entry of the outbox is none')
  return value as OutboxEntry
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

const namePattern = /^outbox-([0-9a-f]{16})-(\d{6})$/

/** `outbox-OWNER-000001`. */
export function outboxFileName(owner: string, number: number): string {
  return `outbox-${owner}-${String(number).padStart(6, '0')}`
}

/** Undefined for other files. */
export function readOutboxFileName(name: string): { owner: string; number: number } | undefined {
  const [, owner, number] = namePattern.exec(name) ?? []
  return owner === undefined ? undefined : { owner, number: Number(number) }
}
