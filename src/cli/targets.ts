/** `sallyport targets`: what administrators of targets need. */
import type { Command } from 'commander'
import type { Config, PostgresTarget } from '../config/config.ts'
import { didYouMean } from '../config/suggest.ts'
import { setupSql, type SetupVersion, setupVersions } from '../credentials/postgres/setup.ts'
import { Fault } from '../errors.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway/configuration.ts'
import { loginsOf } from './probe.ts'

type SetupOptions = WithConfig & { login: string[]; serverVersion?: string }

export function addTargets(program: Command): void {
  const targets = program.command('targets').description('the servers behind the gateway')
  configOption(
    targets
      .command('setup')
      .argument('<name>', 'a PostgreSQL target of the configuration')
      .description(
        'print the SQL that an administrator runs once on a PostgreSQL server; connects to nothing',
      )
      .option('--login <name...>', 'privilege roles (default: the logins that roles allow there)', [])
      .option('--server-version <number>', 'major version of the server, 13 to 18', '16'),
  ).action((name: string, options: SetupOptions) => {
    const config = requireConfig(configFileOf(options), { withoutSecrets: true })
    const target = postgresTargetOf(config, name)
    const logins = options.login.length > 0 ? options.login : loginsOf(config, target)
    if (logins.length === 0)
      throw new Fault('CONFIG_INVALID', `No role allows any login on ${name}. Name them with --login.`)
    const version = versionOf(options.serverVersion ?? '')
    process.stdout.write(setupSql({ target, logins, version, gateway: config.gateway.name }))
  })
}

function postgresTargetOf(config: Config, name: string): PostgresTarget {
  const databases = config.targets.filter(target => target.protocol === 'postgres')
  const target = databases.find(candidate => candidate.name === name)
  if (target !== undefined) return target
  const names = databases.map(candidate => candidate.name)
  const hint =
    didYouMean(name, names) ?? (names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`)
  throw new Fault('NOT_FOUND', `"${name}" is no PostgreSQL target of the configuration (${hint}).`)
}

function versionOf(text: string): SetupVersion {
  const version = setupVersions.find(candidate => String(candidate) === text)
  if (version !== undefined) return version
  throw new Fault('CONFIG_INVALID', `--server-version must be a number from 13 to 18, not "${text}".`)
}
