import {
  createServer as createHttpServer,
  type RequestListener,
  type Server,
  type ServerOptions,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { getRequestListener } from '@hono/node-server'
import { Fault, reasonOf } from '../errors.ts'
import type { WebApp } from './answers.ts'
import { limitSources } from './connection-sources.ts'
import { acceptUpgrades } from './upgrade.ts'

/** Limits of the web listener; the pages are small and nobody uploads. */
const limits = {
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 20_000,
  keepAliveTimeoutMs: 10_000,
  /** Of a connection that takes nothing of what is sent to it: as long as a download that somebody has paused. */
  idleMs: 5 * 60_000,
  maxConnections: 1000,
  maxRequestsPerSocket: 1000,
}

export type WebListenOptions = {
  readonly listen: { readonly host: string; readonly port: number }
  /** PEM texts. Without them the listener speaks plain HTTP (loopback, or behind a proxy that ends TLS). */
  readonly tls?: { readonly certificate: { reveal(): string }; readonly key: { reveal(): string } }
  /** All come from the proxy, which has limits of its own. */
  readonly behindProxy?: boolean
  /** How long a connection may stand still; shorter in tests. */
  readonly idleMs?: number
}

export type WebServer = {
  readonly port: number
  /** Open ones. */
  connections(): Promise<number>
  close(): Promise<void>
}

/** Listens for browsers. Throws Fault PORT_IN_USE. */
export async function serveWeb(app: WebApp, web: WebListenOptions): Promise<WebServer> {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false }) as RequestListener
  const server = createServer(web, listener)
  acceptUpgrades(server, app)
  server.timeout = web.idleMs ?? limits.idleMs
  if (web.behindProxy !== true) limitSources(server)
  server.maxConnections = limits.maxConnections
  server.maxRequestsPerSocket = limits.maxRequestsPerSocket
  await listen(server, web.listen)
  const { port } = server.address() as AddressInfo
  const connections = promisify(server.getConnections.bind(server))
  return { port, connections, close: () => closeServer(server) }
}

function createServer(web: WebListenOptions, listener: RequestListener): Server {
  const options: ServerOptions = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
  }
  if (web.tls === undefined) return createHttpServer(options, listener)
  const { certificate, key } = web.tls
  return createHttpsServer(
    { ...options, cert: certificate.reveal(), key: key.reveal(), minVersion: 'TLSv1.2' },
    listener,
  )
}

async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(port, host, resolve)
  try {
    await promise
  } catch (thrown) {
    const text = `The web pages cannot listen on ${host}:${port}. Choose another port (web.listen) or stop what uses it.`
    throw new Fault('PORT_IN_USE', text, { log: reasonOf(thrown), cause: thrown })
  }
}

/** Stops listening and drops what is open: a page that is being read is read already. */
export async function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  await promise
}
