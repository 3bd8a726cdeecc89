import type { Command } from 'commander'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'

export function addReload(program: Command): void {
  configOption(
    program
      .command('reload')
      .description('let the running gateway read its configuration again, all or nothing'),
  ).action(async (options: WithConfig) => {
    const config = requireConfig(configFileOf(options), { withoutSecrets: true })
    const { endedSessions } = await new AdminClient(foldersOf(config).adminSocket).reload()
    process.stdout.write(`Reloaded. Sessions that lost their right and were ended: ${endedSessions}.\n`)
  })
}
