/** `sallyport keys show`: the public halves of the gateway's keys, and where each belongs. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Command } from 'commander'
import type { Config } from '../config/config.ts'
import {
  publicKeyOf,
  type Purpose,
  purposes,
  rsaHostKeyName,
  rsaHostPublicKeyOf,
} from '../credentials/authority.ts'
import { fingerprint, publicKeyBlob, publicKeyLine } from '../credentials/ssh-key.ts'
import { x509AuthorityPem } from '../credentials/x509.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway.ts'
import { printJson } from './print.ts'

type ShownKey = Purpose | typeof rsaHostKeyName

const uses: Record<ShownKey, string> = {
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

export function addKeys(program: Command): void {
  const keys = program.command('keys').description("the gateway's public keys")
  configOption(
    keys.command('show').description('print them, and where each belongs').option('--json', 'for scripts'),
  ).action((options: WithConfig & { json?: boolean }) => {
    const config = requireConfig(configFileOf(options), { withoutSecrets: true })
    const { keys: folder } = foldersOf(config)
    const rsa = rsaHostPublicKeyOf(folder)
    const shown = [
      ...purposes.map(purpose => facts(purpose, publicKeyOf(folder, purpose), config)),
      ...(rsa === undefined ? [] : [facts(rsaHostKeyName, rsa, config)]),
    ]
    if (options.json === true) return printJson(shown)
    process.stdout.write(shown.map(paragraph).join('\n'))
  })
}

function facts(purpose: ShownKey, key: KeyObject, config: Config) {
  const publicKey = createPublicKey(key.export({ type: 'spki', format: 'pem' }))
  const blob = publicKeyBlob(publicKey)
  const line = publicKeyLine(blob, `${purpose}@${config.gateway.name}`)
  return {
    purpose,
    use: uses[purpose],
    keyId: fingerprint(blob),
    line: purpose === 'hosts' ? `@cert-authority ${hostPatterns(config)} ${line}` : line,
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ...(purpose === 'databases' ? certificateOf(config) : {}),
  }
}

/** What PostgreSQL wants is a certificate; the gateway makes it when it starts. */
function certificateOf(config: Config): { certificate?: string } {
  const certificate = x509AuthorityPem(foldersOf(config).keys)
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
const showsPem: readonly ShownKey[] = ['recording-heads', 'log-checkpoints', 'databases', 'sign-in-x509']

function paragraph(key: ReturnType<typeof facts>): string {
  const body = key.certificate ?? (showsPem.includes(key.purpose) ? key.pem : `${key.line}\n`)
  return `# ${key.purpose}: ${key.use}\n# ${key.keyId}\n${body}`
}
