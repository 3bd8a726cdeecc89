/** Connections to the web listener by where they come from: strangers connect before anybody knows who they are. */
import type { Server } from 'node:http'
import { networkAround } from '../config/network.ts'
import { plainAddress } from '../identity/source-address.ts'

/** Of one source at once: an office of forty people with six connections each. */
const maxOfSource = 250
/** A source is an IPv4 address, or what one IPv6 subscriber has. */
const sourceNetwork = { ipv4Prefix: 32, ipv6Prefix: 64 }

/** Drops what is one too many. */
export function limitSources(server: Server): void {
  const open = new Map<string, number>()
  server.on('connection', socket => {
    const address = plainAddress(socket.remoteAddress ?? '')
    const source = networkAround(address, sourceNetwork) ?? address
    const count = (open.get(source) ?? 0) + 1
    if (count > maxOfSource) {
      socket.destroy()
      return
    }
    open.set(source, count)
    socket.once('close', () => {
      const left = (open.get(source) ?? 1) - 1
      if (left > 0) open.set(source, left)
      else open.delete(source)
    })
  })
}
