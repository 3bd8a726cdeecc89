/** `sallyport sweep`: removes now what crashed sessions left, instead of at the next tick. */
import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { openAuthorities } from '../credentials/authority.ts'
import { sweep } from '../credentials/sweep.ts'
import { openLog } from '../log.ts'
import { requireNoWorkers } from '../postgres/workers/worker-folder.ts'
import { lockData } from '../store/lock.ts'
import { openStore } from '../store/sqlite-store.ts'
import { openOwnAudit } from './access.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { openPostgresCredentials } from './postgres-credentials.ts'
import { printJson } from './print.ts'

type Swept = { readonly removed: number; readonly left: number }

export function addSweep(program: Command): void {
  configOption(
    program.command('sweep').description('remove the credentials that crashed sessions left on targets'),
  )
    .option('--json', 'for scripts')
    .action(async (options: WithConfig & { json?: boolean }) => {
      const config = requireConfig(configFileOf(options))
      const client = new AdminClient(foldersOf(config).adminSocket)
      const swept = (await client.isUp()) ? await client.sweep() : await sweepOurselves(config)
      if (options.json === true) printJson(swept)
      else process.stdout.write(`${sentence(swept)}\n`)
      if (swept.left > 0) process.exitCode = 1
    })
}

function sentence({ removed, left }: Swept): string {
  const more =
    left === 0 ? 'Nothing is left.' : `${left} could not be removed yet: the gateway's log says why.`
  return `Removed ${removed}. ${more}`
}

/** No gateway runs: the data folder is ours, so that every process that it knows is gone. */
async function sweepOurselves(config: Config): Promise<Swept> {
  const lock = lockData(config.gateway.data)
  await requireNoWorkers(foldersOf(config).workers)
  const store = await openStore(config.gateway.data)
  const audit = openOwnAudit(config)
  const { keys: keysFolder } = foldersOf(config)
  const common = { store, audit, clock: systemClock, log: openLog(), owner: lock.ownerId }
  const credentials = await openPostgresCredentials({
    ...common,
    authorities: openAuthorities(keysFolder),
    keysFolder,
    gateway: config.gateway.name,
    targets: () => config.targets,
  })
  try {
    const removed = await sweep({ ...common, roles: credentials.sweep }, { everything: true })
    return { removed, left: credentials.sweep.pending.count }
  } finally {
    await credentials.close()
    await audit.close()
    await store.close()
    lock.release()
  }
}
