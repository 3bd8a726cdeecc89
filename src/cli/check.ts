/** `sallyport check`: validates a configuration, then tries its issuer, its targets, and where recordings and events go. */
import { isAbsolute, relative } from 'node:path'
import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { openAuthorities } from '../credentials/authority.ts'
import { openLog } from '../log.ts'
import { openPostgresCredentials } from './postgres-credentials.ts'
import { openIssuer } from '../identity/issuer.ts'
import { probeSink } from '../notify/probe-sink.ts'
import { proveEngine } from '../ssh/engine.ts'
import { lockData } from '../store/lock.ts'
import { openStore } from '../store/sqlite-store.ts'
import { openOwnAudit } from './access.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { AdminClient } from './admin-client.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printableLine, printJson } from './print.ts'
import { type ProbeResult, probeTargets } from './probe.ts'
import { probeStorage } from './storage.ts'

type CheckOptions = WithConfig & { json?: boolean; offline?: boolean }

export function addCheck(program: Command): void {
  configOption(
    program
      .command('check')
      .description(
        'validate a configuration, try its issuer, targets, buckets and sinks, and say what would fail',
      ),
  )
    .option('--offline', 'only validate the file')
    .option('--json', 'for scripts')
    .action(async (options: CheckOptions) => {
      const config = requireConfig(configFileOf(options), { withoutSecrets: options.offline === true })
      const results =
        options.offline === true
          ? []
          : [...(await probe(config)), ...(await probeStorage(config)), ...(await probeSinks(config))]
      const notes = notesOn(config)
      if (options.json === true) printJson({ configuration: 'valid', notes, results })
      else print(results, notes)
      if (results.some(result => !result.ok)) process.exitCode = 1
    })
}

function notesOn(config: Config): readonly string[] {
  return [...notesOnKeys(config), ...notesOnReaders(config)]
}

/** Who can read recordings: a key that nobody has, or one too many, is best noticed before the first session. */
function notesOnReaders({ recording }: Config): readonly string[] {
  const readers = recording.encryptTo.map(({ kid }) => kid)
  return readers.length === 0
    ? []
    : [`Recordings are encrypted to ${readers.join(' and ')}, and nobody else can read them.`]
}

/** What is allowed, and not wise. */
function notesOnKeys(config: Config): readonly string[] {
  const path = relative(config.gateway.data, foldersOf(config).keys)
  const isInside = !path.startsWith('..') && !isAbsolute(path)
  return isInside
    ? [
        'The keys lie in the data folder, so that whoever has its backup can sign as this gateway. Set gateway.keys to a folder outside, with a backup of its own.',
      ]
    : []
}

function print(results: readonly ProbeResult[], notes: readonly string[]): void {
  process.stdout.write('The configuration is valid.\n')
  for (const note of notes) process.stdout.write(`note    ${note}\n`)
  for (const { what, ok, text } of results) {
    process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${printableLine(what)}: ${printableLine(text)}\n`)
  }
}

/** All at once: each may take its time. */
async function probeSinks({ notify }: Config): Promise<readonly ProbeResult[]> {
  return await Promise.all(
    notify.map(async sink => ({ what: `${sink.kind} sink ${sink.name}`, ...(await probeSink(sink)) })),
  )
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
    return await probeTargets(config, {
      audit,
      upstream,
      nextTargetsKey: authorities.ring.next('targets'),
      issuer,
      postgres,
    })
  } finally {
    await postgres.close()
    await audit.close()
    await store.close()
    lock.release()
  }
}
