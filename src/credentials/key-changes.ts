/** Changes of the gateway's keys while it runs: asked by somebody, or due. Each is in the audit log. */
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Purpose } from './key-list.ts'
import type { KeyChange, KeyRing } from './key-ring.ts'

export type KeyAsk =
  | { readonly change: 'rotate'; readonly purpose: Purpose; readonly overlapMs?: number | undefined }
  | { readonly change: 'activate'; readonly purpose: Purpose }
  | {
      readonly change: 'revoke'
      readonly keyId: string
      readonly why: string
      /** Since when somebody else may have had the key. */
      readonly sinceMs?: number | undefined
    }

export type KeyChangeParts = {
  readonly ring: KeyRing
  readonly audit: Pick<AuditLog, 'append'>
  readonly clock: Clock
}

/**
 * Does what is asked. Who asked is in the audit log before, what became of it after. Throws Fault KEY_CHANGE_REFUSED, or
 * AUDIT_APPEND_FAILED and then nothing was changed.
 */
export function changeKeys(
  ask: KeyAsk,
  by: string,
  { ring, audit, clock }: KeyChangeParts,
): readonly KeyChange[] {
  const { change, ...about } = ask
  audit.append({ kind: 'authority-change', change, ...about, by })
  const nowMs = clock.nowMs()
  try {
    if (ask.change === 'rotate') ring.rotate(ask.purpose, nowMs, ask.overlapMs)
    else if (ask.change === 'activate') ring.activate(ask.purpose, nowMs)
    else ring.revoke(ask.keyId, ask, nowMs)
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    audit.append({ kind: 'authority-change', change, ...about, by, refused: thrown.userText })
    throw thrown
  }
  return tellChanges(ring, audit)
}

/** Puts what happened to keys since it was asked last into the audit log. */
export function tellChanges(ring: KeyRing, audit: Pick<AuditLog, 'append'>): readonly KeyChange[] {
  const changes = ring.takeChanges()
  for (const change of changes) audit.append({ kind: 'authority-key', ...change })
  return changes
}

/** How often is looked whether a key's time has come. They are days. */
const lookEveryMs = 60_000

/** Lets announced keys begin and overlaps end at their time; `onChange` hears of it. */
export function watchKeys(parts: KeyChangeParts & { readonly log: Log; readonly onChange: () => void }): {
  readonly stop: () => void
} {
  const look = (): void => {
    try {
      if (!parts.ring.settle(parts.clock.nowMs())) return
      tellChanges(parts.ring, parts.audit)
      parts.onChange()
    } catch (cause) {
      parts.log.error({ reason: reasonOf(cause) }, 'a key could not be changed at its time')
    }
  }
  look()
  const timer = setInterval(look, lookEveryMs).unref()
  return { stop: () => clearInterval(timer) }
}
