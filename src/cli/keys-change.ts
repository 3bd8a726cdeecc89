/** `sallyport keys rotate`, `activate` and `revoke`: through the running gateway, or with the data folder in our own hands. */
import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { parseDuration } from '../config/units.ts'
import { openAuthorities } from '../credentials/authority.ts'
import { changeKeys, type KeyAsk } from '../credentials/key-changes.ts'
import { type Purpose, purposes } from '../credentials/key-list.ts'
import { habits, type KeyChange } from '../credentials/key-ring.ts'
import { Fault } from '../errors.ts'
import { lockData } from '../store/lock.ts'
import { openOwnAudit } from './access.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printableLine, printJson } from './print.ts'

type ChangeOptions = WithConfig & { json?: boolean }

export function addKeyChanges(keys: Command): void {
  const command = (name: string, description: string): Command =>
    configOption(keys.command(name).description(description).option('--json', 'for scripts'))
  command('rotate', 'make the next key of a purpose; it signs at once, or once others have been told of it')
    .argument('<purpose>', purposes.join(', '))
    .option('--overlap <time>', 'how long both keys count, such as 7d, or "none" (default: by purpose)')
    .action((purpose: string, options: ChangeOptions & { overlap?: string }) =>
      change({ change: 'rotate', purpose: purposeOf(purpose), ...overlapOf(options.overlap) }, options),
    )
  command('activate', 'let the key that was announced sign from now on')
    .argument('<purpose>', 'targets, hosts, databases, gateway-host')
    .action((purpose: string, options: ChangeOptions) =>
      change({ change: 'activate', purpose: purposeOf(purpose) }, options),
    )
  command('revoke', 'believe a key no more; if it is the current one, another signs at once')
    .argument('<key-id>', 'SHA256:…, as "sallyport keys list" shows it')
    .requiredOption('--why <text>', 'for auditors: it is shown wherever this key has signed something')
    .option('--since <time>', 'since when somebody else may have had it (ISO 8601); by default now')
    .action((keyId: string, options: ChangeOptions & { why: string; since?: string }) =>
      change({ change: 'revoke', keyId, why: options.why, ...sinceOf(options.since) }, options),
    )
}

function purposeOf(text: string): Purpose {
  const purpose = purposes.find(known => known === text)
  if (purpose !== undefined) return purpose
  throw new Fault('CONFIG_INVALID', `There is no purpose "${text}". There are: ${purposes.join(', ')}.`)
}

function overlapOf(text: string | undefined): { overlapMs?: number } {
  if (text === undefined) return {}
  if (text === 'none') return { overlapMs: 0 }
  const parsed = parseDuration(text)
  if (parsed.ok) return { overlapMs: parsed.value }
  throw new Fault('CONFIG_INVALID', `--overlap must be a duration such as 7d, or none.`)
}

function sinceOf(text: string | undefined): { sinceMs?: number } {
  if (text === undefined) return {}
  const sinceMs = Date.parse(text)
  if (sinceMs <= Date.now()) return { sinceMs }
  throw new Fault('CONFIG_INVALID', '--since must be a time in the past, such as 2026-11-20T08:00:00Z.')
}

async function change(ask: KeyAsk, options: ChangeOptions): Promise<void> {
  const config = requireConfig(configFileOf(options), { withoutSecrets: true })
  const by = `local user ${process.getuid?.() ?? ''}`
  const client = new AdminClient(foldersOf(config).adminSocket)
  const changes = (await client.isUp())
    ? await client.changeKeys(ask, by)
    : await changeOurselves(ask, by, config)
  if (options.json === true) printJson(changes)
  else process.stdout.write(`${changes.map(sentence).join('\n')}\n`)
}

/** No gateway runs: the data folder is ours. The next start signs what has to be signed anew. */
async function changeOurselves(ask: KeyAsk, by: string, config: Config): Promise<readonly KeyChange[]> {
  const lock = lockData(config.gateway.data)
  const authorities = openAuthorities(foldersOf(config).keys)
  const audit = openOwnAudit(config, authorities)
  try {
    return changeKeys(ask, by, { ring: authorities.ring, audit, clock: systemClock })
  } finally {
    await audit.close()
    lock.release()
  }
}

function sentence({ change, purpose, keyId, until, why }: KeyChange): string {
  if (change === 'announced')
    return `${purpose}: ${keyId} will sign from ${until}. "sallyport keys show" prints it: make it known until then. ${howToEnd(purpose)}`
  if (change === 'activated')
    return `${purpose}: ${keyId} signs from now on.${until === undefined ? '' : ` The one before counts until ${until}.`}`
  if (change === 'revoked')
    return `${purpose}: ${keyId} is revoked: ${printableLine(why ?? '')}. Tell those who trust it: targets, servers and users take it out, auditors get the new list ("sallyport keys export").`
  return `${purpose}: ${keyId}: ${change}.`
}

function howToEnd(purpose: KeyChange['purpose']): string {
  const canWait = habits[purpose === 'gateway-host-rsa' ? 'gateway-host' : purpose].begins === 'announced'
  return canWait ? `"sallyport keys activate ${purpose}" lets it begin earlier.` : ''
}
