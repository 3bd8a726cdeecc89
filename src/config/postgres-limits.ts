import type { PostgresLimits } from './config.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const KiB = 1024
const MiB = 1024 * KiB

/** Worker processes (`postgres.workers`). More than cores of one machine are no use; their numbers have to fit into keys to cancel with. */
export const maxPostgresWorkers = 16

/** Defaults for `postgres.limits`, each with the reason for its size. */
export const defaultPostgresLimits: PostgresLimits = {
  /** From the connection to the end of the password; the server's own authentication_timeout. */
  startupTimeoutMs: 60 * SECOND,
  /** A sign-in in the browser while the connection waits: long enough for a password and a second factor. */
  signInTimeoutMs: 5 * MINUTE,
  /** Enough for an office that reconnects after an outage; each costs a TLS handshake and some kilobytes. */
  maxUnauthenticatedConnections: 100,
  /** One source shares one NAT address, but must not take all of the above. */
  maxUnauthenticatedPerSource: 20,
  maxWaitingSignIns: 200,
  maxWaitingSignInsPerSource: 10,
  /** Each is a role and a connection on a target; PostgreSQL's own max_connections is 100. */
  maxSessionsPerPrincipal: 100,
  /** Query, Parse, Bind and FunctionCall are read whole. The server takes 1 GiB; nobody types that. COPY data is streamed. */
  maxMessageBytes: 64 * MiB,
  /** What one connection may hold unsent, each way, before its source is paused. */
  maxQueuedBytes: 1 * MiB,
  /** Requests that the server has not answered yet: a pipeline of a hundred thousand statements is a mistake. */
  maxOutstandingRequests: 100_000,
  /** Named statements and portals that are remembered in one session. */
  maxStatements: 10_000,
  /** A person presses Ctrl-C a few times a minute; more is guessing of keys. */
  cancelsPerMinutePerSource: 60,
  /** Connecting to a target, making the role and signing in there. */
  upstreamTimeoutMs: 15 * SECOND,
  /** Below the idle timeout of common firewalls and load balancers (60 s). */
  keepAliveIntervalMs: 30 * SECOND,
}
