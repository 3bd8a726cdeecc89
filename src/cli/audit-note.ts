import type { AuditEvent, AuditLog } from '../audit/audit-log.ts'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'

export type AuditNoteParts = { readonly audit: Pick<AuditLog, 'append'>; readonly log: Log }

/** Notes what has happened already. False if the audit log takes nothing any more; sessions end by that alone. */
export function note({ audit, log }: AuditNoteParts, event: AuditEvent): boolean {
  try {
    audit.append(event)
    return true
  } catch (cause) {
    log.error({ cause: reasonOf(cause) }, 'the audit log has not heard of this')
    return false
  }
}
