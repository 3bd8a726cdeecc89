/**
 * Where PostgreSQL clients come in: limits for those who have not signed in, the first packets, cancel requests, the sign-in itself,
 * and for those who have, the door.
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import type { TlsFiles } from '../config/config.ts'
import { CancelRequests, type CancelAsked } from './cancel-requests.ts'
import { clientTlsOptions } from './client-socket.ts'
import {
  type Arrival,
  Connection,
  type ConnectionParts,
  type Door,
  type PostgresEndpoint,
} from './connection.ts'
import { type Doorway, openDoorways } from './doorway.ts'

export type PostgresListenerParts = ConnectionParts & {
  readonly tls: TlsFiles | undefined
  readonly clock: { readonly nowMs: () => number }
  /** Where cancel requests are taken, if not here. */
  readonly takeCancel?: (asked: CancelAsked) => Promise<void>
}

export type PostgresListener = { readonly port: number; readonly close: () => Promise<void> }

/** Listens on all endpoints until closed; they share limits and cancel keys. Throws Fault PORT_IN_USE. */
export async function startPostgresListeners(
  endpoints: readonly PostgresEndpoint[],
  parts: PostgresListenerParts,
): Promise<readonly PostgresListener[]> {
  const connections = new Connections(parts)
  const doorways = await openDoorways(endpoints, parts.limits, arrival => connections.take(arrival))
  return doorways.map((doorway, index) => ({
    port: doorway.port,
    close: () => closeDoorway(doorway, connections, endpoints[index]),
  }))
}

async function closeDoorway(
  doorway: Doorway,
  connections: Connections,
  endpoint: PostgresEndpoint | undefined,
): Promise<void> {
  const closed = doorway.close()
  if (endpoint !== undefined) connections.stop(endpoint)
  await closed
}

/** All that came in and have not gone. */
export class Connections {
  readonly #door: Door
  readonly #open = new Map<Connection, PostgresEndpoint>()

  constructor(parts: PostgresListenerParts) {
    const requests = new CancelRequests((pid, key) => parts.cancels.find(pid, key), parts)
    this.#door = {
      parts,
      tls: parts.tls === undefined ? undefined : secureContextOf(parts.tls),
      takeCancel: parts.takeCancel ?? (asked => requests.take(asked)),
    }
  }

  take(arrival: Arrival): void {
    const connection = new Connection(arrival, this.#door)
    this.#open.set(connection, arrival.endpoint)
    arrival.socket.once('close', () => this.#open.delete(connection))
    connection.run()
  }

  /** Tells those who are here, of one endpoint or of all. */
  stop(endpoint?: PostgresEndpoint): void {
    for (const [connection, of] of this.#open)
      if (endpoint === undefined || of === endpoint) connection.stop()
  }
}

function secureContextOf({ certificate, key }: TlsFiles): SecureContext {
  return createSecureContext({
    cert: certificate.reveal(),
    key: key.reveal(),
    minVersion: 'TLSv1.2',
    secureOptions: clientTlsOptions,
  })
}
