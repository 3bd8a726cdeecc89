/** Accepts connections, and turns strangers away of whom there are too many. Reads nothing: who takes them does. */
import { createServer, type Socket } from 'node:net'
import type { PostgresLimits } from '../config/config.ts'
import { plainAddress } from '../identity/source-address.ts'
import { sourceNetwork } from '../identity/source-network.ts'
import { listen } from '../session/listening.ts'
import { Strangers } from '../session/strangers.ts'
import { type Arrival, type PostgresEndpoint, say } from './connection.ts'

export type Doorway = {
  readonly port: number
  /** Accepts nobody any more at once; resolves when all that came in here have gone. */
  readonly close: () => Promise<void>
}

/** Chance begins to turn strangers away at half of the places, at 30 %, as MaxStartups of sshd does. */
const randomDropPercent = 30

/** Listens on all endpoints, which share the places of strangers. Throws Fault PORT_IN_USE. */
export async function openDoorways(
  endpoints: readonly PostgresEndpoint[],
  limits: () => PostgresLimits,
  take: (arrival: Arrival) => void,
): Promise<readonly Doorway[]> {
  const strangers = new Strangers()
  const doorways: Doorway[] = []
  try {
    for (const endpoint of endpoints) doorways.push(await openDoorway(endpoint, strangers, limits, take))
    return doorways
  } catch (cause) {
    for (const doorway of doorways) await doorway.close()
    throw cause
  }
}

async function openDoorway(
  endpoint: PostgresEndpoint,
  strangers: Strangers,
  limits: () => PostgresLimits,
  take: (arrival: Arrival) => void,
): Promise<Doorway> {
  const server = createServer({ noDelay: true, pauseOnConnect: true }, socket => {
    const network = sourceNetwork(socket.remoteAddress ?? '')
    const refusal = strangers.refusal(network, strangerLimits(limits()))
    if (refusal !== undefined) return turnAway(socket, refusal)
    take({
      socket,
      endpoint,
      sourceAddress: plainAddress(socket.remoteAddress ?? ''),
      enter: makeRoom => strangers.enter(network, makeRoom),
    })
  })
  await listen(server, endpoint, 'PostgreSQL')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : endpoint.port,
    close: () => new Promise<void>(resolve => server.close(() => resolve())),
  }
}

function strangerLimits(limits: PostgresLimits) {
  return { ...limits, randomDropFrom: Math.ceil(limits.maxUnauthenticatedConnections / 2), randomDropPercent }
}

/** As a server that is full. */
export function turnAway(socket: Socket, text: string): void {
  socket.on('error', () => {})
  say(socket, { severity: 'FATAL', code: '53300', message: text })
}
