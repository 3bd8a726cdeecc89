/** The audit log and the log of sessions, as a process sees them that has an outbox. */
import { type AuditLog, newProbe } from '../audit-log.ts'
import type { Leaf } from '../tree/leaf.ts'
import type { LeafProof, SessionLog } from '../tree/session-log.ts'
import type { Outbox } from './outbox.ts'

/** As durable as the log itself. Throws Fault AUDIT_APPEND_FAILED, and from then on always. */
export function outboxAudit(outbox: Outbox): AuditLog {
  return {
    append: event => void outbox.say({ audit: event }),
    probe: (target, why) => {
      outbox.say({ audit: { kind: 'probe', target, why } })
      return newProbe(target, why)
    },
    get failure() {
      return outbox.failure
    },
    close: async () => outbox.close(),
  }
}

/** What the process that has the log answers. */
export type SessionLogAnswers = {
  /** By the entry's number in the outbox. */
  readonly proofOf: (entry: number) => Promise<LeafProof>
  readonly checkpoint: () => Promise<void>
}

/** For what this process itself opens and seals: its index of a leaf is the number of the entry. */
export function outboxSessionLog(outbox: Outbox, answers: SessionLogAnswers): SessionLog {
  const log = {
    add: (leaf: Leaf) => outbox.say({ leaf }),
    proofOf: (entry: number) => answers.proofOf(entry),
    find: () => undefined,
    checkpoint: () => answers.checkpoint().catch(() => {}), // whoever has the log has said why
    size: 0,
    get failure() {
      return outbox.failure
    },
    close: async () => {},
    signAnew: async () => {}, // keys are the gateway's
  }
  return log
}
