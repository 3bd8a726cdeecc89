/**
 * WebSockets: a request that asks for one goes through the same routes as every other, so that nothing is authorized twice in two ways. The route
 * that takes it answers with `upgrade.accept`; what it refuses is answered as the route says.
 */
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { WebApp } from './answers.ts'

/** Whoever watches says nothing: a pong, and a reason to close. Bytes. */
const maxMessageBytes = 1024
/** Bytes of a refusal that are sent. */
const maxRefusalBytes = 16 * 1024

/** For the last bytes of a refusal to be taken, in milliseconds. */
const maxLeavingMs = 10_000

/** Offered to the route of a request for a WebSocket. */
export type Upgrade = {
  /** `take` has the socket; undefined: the client was gone before it was there. Return what this gives. */
  readonly accept: (take: (socket: WebSocket | undefined) => void) => Response
}

export function acceptUpgrades(server: Server, app: WebApp): void {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, clientTracking: true })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    void upgrade(sockets, app, request, socket, head).catch(() => socket.destroy())
  })
  server.on('close', () => {
    for (const client of sockets.clients) client.terminate()
    sockets.close()
  })
}

async function upgrade(
  sockets: WebSocketServer,
  app: WebApp,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  let take: ((socket: WebSocket | undefined) => void) | undefined
  const offered: Upgrade = {
    accept: taken => {
      take = taken
      return new Response(null, { status: 204 })
    },
  }
  const response = await app.fetch(requestOf(request), { incoming: request, upgrade: offered })
  const taken = take
  if (taken === undefined) return await refuse(socket, response)
  if (socket.destroyed) return taken(undefined)
  const gone = (): void => taken(undefined)
  socket.once('close', gone)
  sockets.handleUpgrade(request, socket, head, client => {
    socket.off('close', gone)
    taken(client)
  })
}

/** Only headers and the address: it has no body. */
function requestOf({ headers, url = '/' }: IncomingMessage): Request {
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as [string, string]],
  )
  return new Request(new URL(url, `http://${headers.host ?? 'localhost'}`), { headers: pairs })
}

async function refuse(socket: Duplex, response: Response): Promise<void> {
  const body = await beginningOf(response)
  const type = response.headers.get('content-type') ?? 'text/plain'
  socket.write(
    `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}\r\nConnection: close\r\nContent-Type: ${type}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`,
  )
  leave(socket, body)
}

/** The server's own limits hold no more once somebody has asked for a WebSocket: who stays when all is said, or takes none of it, is left. */
function leave(socket: Duplex, last: Buffer): void {
  socket.once('finish', () => socket.destroy())
  setTimeout(() => socket.destroy(), maxLeavingMs).unref()
  socket.end(last)
}

/** What answers may be a download as well, of any length: the rest is not made. */
async function beginningOf({ body }: Response): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of body ?? []) {
    pieces.push(piece)
    length += piece.length
    if (length >= maxRefusalBytes) break // whoever makes it is told by this
  }
  return Buffer.concat(pieces).subarray(0, maxRefusalBytes)
}
