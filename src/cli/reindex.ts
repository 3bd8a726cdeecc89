/** `sallyport reindex`: builds the search index again from the recordings, in the running gateway or without one. */
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { Analyst } from '../analysis/analyst/analyst.ts'
import { Aliases } from '../analysis/findings/aliases.ts'
import type { FindingDesk } from '../analysis/findings/desk.ts'
import { recordingUnread } from '../analysis/findings/integrity-findings.ts'
import { openFindingDesk } from '../analysis/findings/open-desk.ts'
import { removeIndex } from '../analysis/index/schema.ts'
import { SearchThread } from '../analysis/index/search-thread.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { Fault } from '../errors.ts'
import { type Log, openLog } from '../log.ts'
import { lockData } from '../store/lock.ts'
import { openStore } from '../store/sqlite-store.ts'
import type { Store } from '../store/store.ts'
import { openOwnAudit } from './access.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { observingOf } from './gateway/findings.ts'
import { CommandStore } from './storage.ts'

export function addReindex(program: Command): void {
  configOption(
    program.command('reindex').description('build the search index again from the recordings'),
  ).action(async (options: WithConfig) => {
    const config = requireConfig(configFileOf(options), { withoutSecrets: true })
    if (!config.analysis.index)
      throw new Fault(
        'CONFIG_INVALID',
        'Recordings are not read for searching here: analysis.index is false.',
      )
    const by = `local user ${userInfo().username}`
    const client = new AdminClient(foldersOf(config).adminSocket)
    if (!(await client.isUp())) return await rebuild(config, by)
    await client.rebuildIndex(by)
    process.stdout.write(
      'The gateway reads all recordings again. What is not read yet is not found meanwhile.\n',
    )
  })
}

/** Without a gateway: the index, and findings that were not made yet. Nothing is drawn for the sample, and no session is acted on: all are over. */
export async function rebuild(config: Config, by: string): Promise<void> {
  const lock = lockData(config.gateway.data)
  const store = await openStore(config.gateway.data)
  const audit = openOwnAudit(config)
  const recordings = new CommandStore(config)
  try {
    audit.append({ kind: 'index-rebuilt', by })
    removeIndex(config.gateway.data)
    const log = openLog('warn')
    const desk = deskOf(config, { store, audit, log })
    const analyst = new Analyst({
      dataFolder: config.gateway.data,
      recordingsFolder: config.recording.folder,
      ...(config.analysis.sigma === undefined ? {} : { sigmaFolder: config.analysis.sigma }),
      sessions: store.sessions,
      fetch: async recording => ({ path: await recordings.fetch(recording), release: () => {} }),
      observing: observingOf(config),
      onBatch: async ({ drafts }) => {
        for (const draft of drafts) await desk.take(draft)
      },
      onUnread: (session, problem) => void desk.take(recordingUnread(session, problem, systemClock.nowMs())),
      log,
    })
    analyst.start()
    await analyst.settled()
    await tell(config)
    await analyst.stop()
  } finally {
    recordings.close()
    await audit.close()
    await store.close()
    lock.release()
  }
}

/** A finding that is there is the same again, so that nobody hears of it twice. */
function deskOf(
  config: Config,
  { store, audit, log }: { store: Store; audit: AuditLog; log: Log },
): Pick<FindingDesk, 'take'> {
  return openFindingDesk({
    store: store.findings,
    sessions: store.sessions,
    audit,
    clock: systemClock,
    log,
    config: () => config,
    aliases: new Aliases(foldersOf(config).keys, systemClock.nowMs()),
  })
}

async function tell(config: Config): Promise<void> {
  const search = new SearchThread(config.gateway.data)
  const { entries, ...states } = await search.progress()
  await search.close()
  const sessions = Object.entries(states).map(([state, count]) => `${count} ${state}`)
  process.stdout.write(`${entries} entries of sessions: ${sessions.join(', ') || 'none'}\n`)
}
