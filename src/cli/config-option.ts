import type { Command } from 'commander'
import { Fault } from '../errors.ts'

export type WithConfig = { config?: string }

/** Every command that works on a gateway's data names its configuration, once in the environment if one likes. */
export function configOption(command: Command): Command {
  return command.option('--config <file>', 'the configuration file (default: $SALLYPORT_CONFIG)')
}

export function configFileOf(options: WithConfig): string {
  const file = options.config ?? process.env['SALLYPORT_CONFIG']
  if (file !== undefined) return file
  throw new Fault('CONFIG_INVALID', 'Name the configuration with --config FILE, or set SALLYPORT_CONFIG.')
}
