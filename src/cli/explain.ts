/** `sallyport explain`: why policy allows or denies. Needs no gateway and no issuer, so groups are told, not looked up. */
import type { Command } from 'commander'
import { explain } from '../policy/explain.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway.ts'

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
    const config = requireConfig(configFileOf(options))
    const nowMs = options.at === undefined ? Date.now() : Date.parse(options.at)
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
    process.stdout.write(`${explain(config, principal, wish, nowMs)}\n`)
  })
}
