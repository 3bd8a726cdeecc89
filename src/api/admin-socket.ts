import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { Fault, reasonOf } from '../errors.ts'
import { closeServer } from './serve.ts'

/** sockaddr_un has 108 bytes on Linux and 104 on macOS, one of them for the end. */
const maxSocketPathBytes = 103

/** Command lines in use at once. */
const maxConnections = 50

export type AdminServer = { readonly path: string; close(): Promise<void> }

/**
 * Listens on a Unix socket that only the gateway's own user can open. The caller holds the data folder, so a socket that lies there
 * already was left by a gateway that is gone. Throws Fault PORT_IN_USE where the socket cannot be made.
 */
export async function serveAdmin(app: Pick<Hono, 'fetch'>, path: string): Promise<AdminServer> {
  if (Buffer.byteLength(path) > maxSocketPathBytes)
    throw cannotListen(
      path,
      `its path is longer than ${maxSocketPathBytes} bytes; choose a shorter data folder (gateway.data)`,
    )
  removeStale(path)
  const listener = getRequestListener(request => app.fetch(request), {
    overrideGlobalObjects: false,
  }) as RequestListener
  const server = createServer(listener)
  server.maxConnections = maxConnections
  await listenPrivately(server, path)
  return { path, close: () => closeServer(server) }
}

/** The mode is right from the first moment on: a umask while binding, not a chmod afterwards alone. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const before = process.umask(0o177)
  try {
    server.once('error', reject).listen(path, resolve)
  } finally {
    process.umask(before)
  }
  try {
    await promise
    chmodSync(path, 0o600)
  } catch (thrown) {
    throw cannotListen(path, reasonOf(thrown), thrown)
  }
}

function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw cannotListen(path, 'something else is there under its name')
  rmSync(path)
}

function cannotListen(path: string, why: string, cause?: unknown): Fault {
  return new Fault('PORT_IN_USE', `The admin socket ${path} cannot be opened: ${why}.`, { cause })
}
