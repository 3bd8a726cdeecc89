/** Findings and requests for names go when they are old enough; those of a person when the person asks for it. */
import { wishOf } from '../../analysis/findings/profile-keeper.ts'
import { personKey } from '../../analysis/findings/session-view.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { KeyOwner, Store } from '../../store/store.ts'
import { foldersOf } from '../folders.ts'

/** Ages are days; an hour more does not matter. */
const everyMs = 3_600_000

type Parts = {
  readonly store: Pick<Store, 'findings'>
  readonly config: () => Config
  readonly audit: AuditLog
  readonly clock: Clock
}

/** Gives back what stops it. */
export function keepFindings(parts: Parts, log: Log): () => void {
  const run = (): void => {
    removeOld(parts).catch((cause: unknown) => {
      log.error({ reason: reasonOf(cause) }, 'old findings could not be removed')
    })
  }
  run()
  const timer = setInterval(run, everyMs).unref()
  return () => clearInterval(timer)
}

async function removeOld({ store, config, audit, clock }: Parts): Promise<void> {
  const { findingsMs, unmaskingsMs } = config().analysis.retention
  const beforeMs = clock.nowMs() - findingsMs
  const count = await store.findings.removeBefore(beforeMs, beforeMs)
  if (count > 0) audit.append({ kind: 'findings-removed', count, why: 'age' })
  await store.findings.removeUnmaskingsBefore(clock.nowMs() - unmaskingsMs)
}

/** Findings now; the profile in a moment, by the analyst's thread. */
export async function forgetFindings(
  { store, config, audit, clock }: Parts,
  { issuer, subject }: KeyOwner,
): Promise<void> {
  const count = await store.findings.removeOfPerson({ issuer, subject })
  wishOf(
    foldersOf(config()).profiles,
    { do: 'forget', person: personKey({ issuer, subject }) },
    clock.nowMs(),
  )
  audit.append({ kind: 'findings-removed', count, why: 'a person asked for it' })
}
