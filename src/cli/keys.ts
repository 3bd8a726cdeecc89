/** `sallyport keys`: the gateway's keys, where each belongs, and how they change. */
import { createPublicKey } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../config/config.ts'
import {
  type KeyList,
  type KeyName,
  type ListedKey,
  printKeyList,
  readKeyList,
  rsaHostKeyName,
} from '../credentials/key-list.ts'
import { keyListFile } from '../credentials/key-ring.ts'
import { publicKeyBlob, publicKeyLine } from '../credentials/ssh-key.ts'
import { certificateFileOf, x509AuthorityPem } from '../credentials/x509.ts'
import { Fault } from '../errors.ts'
import { addAuditorKey } from './auditor-key.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { addKeyChanges } from './keys-change.ts'
import { printableLine, printJson, table } from './print.ts'

const uses: Record<KeyName, string> = {
  targets: 'sshd of each target: put this line into the file that TrustedUserCAKeys names',
  'sign-in': 'signs sign-in certificates; only the gateway trusts it, never a target',
  hosts: "users' known_hosts, for ssh -J: signs the host certificates of the gateway's inner servers",
  'recording-heads': 'auditors: sallyport verify RECORDING --key THIS.pem',
  'log-checkpoints': 'auditors: sallyport verify AUDIT-LOG --key THIS.pem',
  'gateway-host': "users' known_hosts: what ssh shows at the first connection",
  databases: 'PostgreSQL servers with the connector `certificate`: put this certificate into ssl_ca_file',
  'sign-in-x509': 'signs client certificates of people; only the gateway trusts it, never a server',
  [rsaHostKeyName]: 'the same for clients that know no Ed25519',
}

const help = `
Each purpose has a key of its own: ${Object.keys(uses).slice(0, 8).join(', ')}.

A rotation, of what others trust (targets, hosts, databases, gateway-host):
  sallyport keys rotate targets --overlap 7d    makes the next key; the old one goes on signing
  sallyport keys show                           prints both: tell the targets of the next one
  sallyport check                               says which targets do not trust it yet
  sallyport keys activate targets               the next one signs now, or by itself when the overlap ends
A rotation of the others (recording-heads, log-checkpoints, sign-in, sign-in-x509) is one step: the new key signs at once.

A key that somebody else may have:
  sallyport keys revoke SHA256:… --why "laptop stolen" --since 2026-11-20T08:00:00Z

For auditors, who then verify recordings of all times with one file:
  sallyport keys export --out keys.json
  sallyport verify DATA --key keys.json`

export function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description("the gateway's keys: show, list, export, rotate, revoke")
    .addHelpText('after', help)
  configOption(
    keys
      .command('show')
      .description('print the public keys in use, and where each belongs')
      .option('--json', 'for scripts'),
  ).action(show)
  configOption(
    keys
      .command('list')
      .description('all keys there ever were, and what became of them')
      .option('--json', 'for scripts'),
  ).action(list)
  configOption(
    keys
      .command('export')
      .description('the signed list of all public keys, for auditors: "sallyport verify --key FILE"')
      .option('--out <file>', 'write it there instead of printing it'),
  ).action(exportList)
  addKeyChanges(keys)
  addAuditorKey(keys)
}

function show(options: WithConfig & { json?: boolean }): void {
  const config = configOf(options)
  const known = listOf(config)
  const shown = known.keys.filter(isInUse).map(key => facts(key, known, config))
  if (options.json === true) return printJson(shown)
  process.stdout.write(shown.map(paragraph).join('\n'))
}

function list(options: WithConfig & { json?: boolean }): void {
  const { keys } = listOf(configOf(options))
  if (options.json === true) return printJson(keys)
  const rows = keys.map(key => [key.purpose, key.state, key.keyId, key.from, key.until ?? '', noteOf(key)])
  process.stdout.write(`${table([['purpose', 'state', 'key', 'from', 'until', ''], ...rows])}\n`)
}

function exportList(options: WithConfig & { out?: string }): void {
  const text = printKeyList(listOf(configOf(options)))
  if (options.out === undefined) return void process.stdout.write(text)
  writeFileSync(options.out, text)
  const { number, keys } = readKeyList(text, options.out)
  process.stdout.write(`${printableLine(options.out)}: list ${number}, ${keys.length} keys.\n`)
}

function configOf(options: WithConfig): Config {
  return requireConfig(configFileOf(options), { withoutSecrets: true })
}

/** Without any private key. */
function listOf(config: Config): KeyList {
  const file = join(foldersOf(config).keys, keyListFile)
  if (!existsSync(file))
    throw new Fault('NOT_FOUND', 'There are no keys yet: the gateway makes them at its first start.')
  return readKeyList(readFileSync(file, 'utf8'), file)
}

/** What somebody has to know now: what signs, what will, and what auditors need for what was signed before. */
function isInUse({ state, purpose, overlapUntil }: ListedKey): boolean {
  if (state === 'former') return overlapUntil !== undefined || verifiesForEver.includes(purpose)
  return state !== 'revoked'
}

const verifiesForEver: readonly KeyName[] = ['recording-heads', 'log-checkpoints']

function noteOf({ state, from, overlapUntil, revoked }: ListedKey): string {
  if (revoked !== undefined)
    return `revoked ${revoked.at}: ${revoked.why}${revoked.since === undefined ? '' : ` (not believed since ${revoked.since})`}`
  if (state === 'next') return `will sign from ${from}: make it known before`
  return overlapUntil === undefined ? '' : `overlap until ${overlapUntil}`
}

function facts(key: ListedKey, known: KeyList, config: Config) {
  const { purpose, keyId, state, publicKey } = key
  const line = publicKeyLine(publicKeyBlob(createPublicKey(publicKey)), `${purpose}@${config.gateway.name}`)
  return {
    purpose,
    use: uses[purpose],
    state,
    note: noteOf(key),
    keyId,
    line: purpose === 'hosts' ? `@cert-authority ${hostPatterns(config)} ${line}` : line,
    pem: publicKey,
    ...(purpose === 'databases' ? certificateOf(keyId, known, config) : {}),
  }
}

/** What PostgreSQL wants is a certificate; the gateway makes it when it starts. */
function certificateOf(keyId: string, { keys }: KeyList, config: Config): { certificate?: string } {
  const first = keys.find(key => key.purpose === 'databases')?.keyId ?? keyId
  const certificate = x509AuthorityPem(foldersOf(config).keys, certificateFileOf(keyId, first))
  return certificate === undefined ? {} : { certificate }
}

/**
 * The hosts that users may trust this authority for, as ssh looks them up: only those that the gateway answers for, or it
 * could pass for any host.
 */
function hostPatterns({ targets }: Config): string {
  const names = targets.filter(({ protocol }) => protocol === 'ssh').map(({ name }) => name.toLowerCase())
  return names.toSorted().join(',')
}

/** Those that nothing of SSH reads. */
const showsPem: readonly KeyName[] = ['recording-heads', 'log-checkpoints', 'databases', 'sign-in-x509']

function paragraph(key: ReturnType<typeof facts>): string {
  const body = key.certificate ?? (showsPem.includes(key.purpose) ? key.pem : `${key.line}\n`)
  const state =
    key.state === 'current' ? '' : ` (${[key.state, key.note].filter(text => text !== '').join(', ')})`
  return `# ${key.purpose}${state}: ${key.use}\n# ${key.keyId}\n${body}`
}
