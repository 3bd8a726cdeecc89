import type { Command } from 'commander'
import { openLog } from '../log.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { type Gateway, startGateway } from './gateway.ts'

export function addServe(program: Command): void {
  configOption(program.command('serve').description('run the gateway')).action(
    async (options: WithConfig) => {
      const log = openLog()
      const gateway = await startGateway(configFileOf(options), log)
      log.info(
        {
          ssh: gateway.sshPort,
          postgres: gateway.postgresPort,
          oauth: gateway.oauthPort,
          web: gateway.webPort,
          crypto: gateway.crypto,
          pid: process.pid,
        },
        gateway.crypto === 'native'
          ? 'listening'
          : 'listening (SSH ciphers in JavaScript: slower; see docs/running.md)',
      )
      await untilStopped(gateway, reloads => log.info(reloads, 'reload'))
    },
  )
}

/** Until SIGINT or SIGTERM; SIGHUP reloads, or stops too where nobody wants to hear of reloads. A second signal does not wait for anything. */
export function untilStopped(gateway: Gateway, onReload?: (result: object) => void): Promise<void> {
  return new Promise(resolve => {
    let stopping = false
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) process.exit(130)
      stopping = true
      gateway.close(signal).then(resolve, resolve)
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    process.on('SIGHUP', signal => {
      if (onReload !== undefined) gateway.reload().then(onReload, onReload)
      else if (!stopping) stop(signal) // a terminal that closes may say so more than once
    })
  })
}
