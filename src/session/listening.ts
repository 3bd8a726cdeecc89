import type { Server } from 'node:net'
import type { Endpoint } from '../config/config.ts'
import { Fault } from '../errors.ts'

/** Connections that the operating system keeps until they are accepted. */
const backlog = 511

/** Listens where clients of a protocol come in. Rejects with a Fault PORT_IN_USE that says which address it is. */
export function listen(server: Server, endpoint: Endpoint, protocol: 'SSH' | 'PostgreSQL'): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE'
      const why = taken
        ? 'is in use by another program'
        : `cannot be listened on (${cause.code ?? cause.message})`
      const text = `The ${protocol} address ${endpoint.host}:${endpoint.port} ${why}. Choose another.`
      reject(new Fault('PORT_IN_USE', text, { cause }))
    })
    server.listen({ host: endpoint.host, port: endpoint.port, backlog }, resolve)
  })
}
