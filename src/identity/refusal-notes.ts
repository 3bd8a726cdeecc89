import type { AuditEvent, AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import { sourceNetwork } from './source-network.ts'

/** Refusals of one source that are written one by one in a minute; the rest is counted and told with the next one. */
export const notesPerMinute = 20

/** Sources that are counted at once; past it, the longest quiet ones are forgotten. */
const maxSources = 10_000

const minuteUs = 60_000_000

type Source = { sinceUs: number; written: number; unwritten: number }

/** Writes refused sign-ins down without letting strangers, who can be refused as often as they connect, fill the disk. */
export class RefusalNotes {
  readonly #audit: Pick<AuditLog, 'append'>
  readonly #clock: Clock
  /** In the order of their minutes' beginning. */
  readonly #sources = new Map<string, Source>()

  constructor(parts: { readonly audit: Pick<AuditLog, 'append'>; readonly clock: Clock }) {
    this.#audit = parts.audit
    this.#clock = parts.clock
  }

  /** `notWrittenBefore` says how many of that source were only counted since the last that was written. */
  note(sourceAddress: string, event: Omit<AuditEvent, 'kind'>): void {
    const source = this.#sourceOf(sourceNetwork(sourceAddress))
    if (source.written >= notesPerMinute) {
      source.unwritten += 1
      return
    }
    const { unwritten } = source
    source.written += 1
    source.unwritten = 0
    const before = unwritten === 0 ? {} : { notWrittenBefore: String(unwritten) }
    this.#audit.append({ kind: 'refusal', ...event, sourceAddress, ...before })
  }

  #sourceOf(name: string): Source {
    const nowUs = this.#clock.monotonicUs()
    const known = this.#sources.get(name)
    if (known !== undefined && nowUs - known.sinceUs < minuteUs) return known
    const source = { sinceUs: nowUs, written: 0, unwritten: known?.unwritten ?? 0 }
    this.#sources.delete(name)
    this.#sources.set(name, source)
    for (const oldest of this.#sources.keys()) {
      if (this.#sources.size <= maxSources) break
      this.#sources.delete(oldest)
    }
    return source
  }
}
