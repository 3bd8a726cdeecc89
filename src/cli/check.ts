/** `sallyport check`: validates a configuration, then tries its issuer and targets. */
import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { openAuthorities } from '../credentials/authority.ts'
import { openLog } from '../log.ts'
import { openPostgresCredentials } from './postgres-credentials.ts'
import { openIssuer } from '../identity/issuer.ts'
import { proveEngine } from '../ssh/engine.ts'
import { lockData } from '../store/lock.ts'
import { openStore } from '../store/sqlite-store.ts'
import { openOwnAudit } from './access.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { AdminClient } from './admin-client.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway.ts'
import { printableLine, printJson } from './print.ts'
import { type ProbeResult, probeTargets } from './probe.ts'

type CheckOptions = WithConfig & { json?: boolean; offline?: boolean }

export function addCheck(program: Command): void {
  configOption(
    program
      .command('check')
      .description('validate a configuration, try its issuer and targets, and say what would fail'),
  )
    .option('--offline', 'only validate the file')
    .option('--json', 'for scripts')
    .action(async (options: CheckOptions) => {
      const config = requireConfig(configFileOf(options), { withoutSecrets: options.offline === true })
      const results = options.offline === true ? [] : await probe(config)
      if (options.json === true) printJson({ configuration: 'valid', results })
      else print(results)
      if (results.some(result => !result.ok)) process.exitCode = 1
    })
}

function print(results: readonly ProbeResult[]): void {
  process.stdout.write('The configuration is valid.\n')
  for (const { what, ok, text } of results) {
    process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${printableLine(what)}: ${printableLine(text)}\n`)
  }
}

/** The running gateway probes, since it holds the audit log and the leases; without one we do. */
async function probe(config: Config): Promise<readonly ProbeResult[]> {
  const client = new AdminClient(foldersOf(config).adminSocket)
  return (await client.isUp()) ? client.probe() : probeOurselves(config)
}

async function probeOurselves(config: Config): Promise<readonly ProbeResult[]> {
  const lock = lockData(config.gateway.data)
  const store = await openStore(config.gateway.data)
  const audit = openOwnAudit(config)
  const clock = systemClock
  const log = openLog()
  const { keys } = foldersOf(config)
  const authorities = openAuthorities(keys)
  const common = { store, audit, clock }
  const postgres = await openPostgresCredentials({
    ...common,
    log,
    owner: lock.ownerId,
    authorities,
    keysFolder: keys,
    gateway: config.gateway.name,
    targets: () => config.targets,
  })
  const upstream = {
    engine: proveEngine(),
    hostKeys: common,
    mint: { ...common, authority: authorities.targets, owner: lock.ownerId },
  }
  try {
    const issuer = openIssuer(config.identity, { clock })
    return await probeTargets(config, { audit, upstream, issuer, postgres })
  } finally {
    await postgres.close()
    await audit.close()
    await store.close()
    lock.release()
  }
}
