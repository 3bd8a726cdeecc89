/** `sallyport explain`: why policy allows or denies. Needs no gateway and no issuer, so groups are told, not looked up. */
import type { Command } from 'commander'
import { parseAddress } from '../config/network.ts'
import { Fault } from '../errors.ts'
import { explain } from '../policy/explain.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway/configuration.ts'

type ExplainOptions = WithConfig & {
  principal: string
  group: string[]
  target?: string
  login?: string
  from: string
  at?: string
}

export function addExplain(program: Command): void {
  configOption(
    program
      .command('explain')
      .description('say why policy allows or denies')
      .requiredOption('--principal <email>', 'who, by verified e-mail address')
      .option('--group <name...>', 'groups that the issuer would name', [])
      .option('--target <name>', 'where')
      .option('--login <name>', 'as whom')
      .option('--from <address>', 'source address', '127.0.0.1')
      .option('--at <instant>', 'when, ISO 8601 (default: now)'),
  ).action((options: ExplainOptions) => {
    const config = requireConfig(configFileOf(options), { withoutSecrets: true })
    const nowMs = options.at === undefined ? Date.now() : Date.parse(options.at)
    if (Number.isNaN(nowMs))
      throw new Fault(
        'CONFIG_INVALID',
        `--at must be an instant such as 2026-01-05T14:00:00Z, not "${options.at}".`,
      )
    if (parseAddress(options.from) === undefined)
      throw new Fault('CONFIG_INVALID', `--from must be an IP address, not "${options.from}".`)
    const principal = {
      issuer: config.identity.issuer,
      subject: '',
      name: options.principal,
      email: options.principal,
      emailVerified: true,
      groups: options.group,
      authenticatedAtMs: nowMs,
      expiresAtMs: nowMs + config.identity.sessionMs,
    }
    const wish = { target: options.target, login: options.login, sourceAddress: options.from }
    const text = explain(config, principal, wish, nowMs)
    process.stdout.write(`${text}\n`)
    if (text.startsWith('DENIED')) process.exitCode = 1
  })
}
