import type { Endpoints } from '../api/deps.ts'
import type { Config, PostgresConfig } from '../config/config.ts'

/** Where people's clients reach the gateway: the host of the web pages, which their browsers reach already, and the listeners' ports. */
export function endpointsOf(config: Config): Endpoints {
  const { ssh, postgres, web } = config
  const host = web === undefined ? config.gateway.name : new URL(web.url).hostname.replaceAll(/[[\]]/g, '')
  return {
    ...(ssh === undefined ? {} : { ssh: { host, port: ssh.listen.port } }),
    ...(postgres === undefined ? {} : postgresEndpoints(host, postgres)),
  }
}

/** OAUTHBEARER has a name or a port of its own; people need our client id there, or they cannot begin. */
function postgresEndpoints(
  host: string,
  { listen, tls: files, browserSignIn, oauth }: PostgresConfig,
): Endpoints {
  const tls = files !== undefined
  const postgres = { host, port: listen.port, tls, browserSignIn }
  if (oauth?.clientId === undefined) return { postgres }
  const { issuer, clientId, serverName, listen: own } = oauth
  const where = own === undefined ? { host: serverName ?? host, port: listen.port } : { host, port: own.port }
  return { postgres, oauth: { ...where, tls, issuer, clientId } }
}
