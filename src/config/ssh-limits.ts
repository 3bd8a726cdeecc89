import type { SshLimits } from './config.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const MiB = 1024 * 1024

/** Defaults for `ssh.limits`, each with the reason for its size. */
export const defaultSshLimits: SshLimits = {
  /** From the connection to the first authentication request: plain clients send it within a second. */
  firstRequestTimeoutMs: 30 * SECOND,
  /** Must outlast a browser sign-in, so it is longer than the code lives. */
  loginGraceMs: 6 * MINUTE,
  /** As sshd's MaxAuthTries: an agent offers several keys. */
  maxAuthenticationAttempts: 6,
  /** Enough for an office that reconnects after an outage; each costs a key exchange and some kilobytes. */
  maxUnauthenticatedConnections: 100,
  /** One source shares one NAT address, but must not take all of the above. */
  maxUnauthenticatedPerSource: 20,
  /** From half of all on: a flood meets chance before it meets the end, and sshd's MaxStartups starts like this too ... */
  randomDropFrom: 50,
  /** ... with this chance, which grows to certainty at `maxUnauthenticatedConnections`. */
  randomDropPercent: 30,
  maxWaitingSignInsPerSource: 10,
  maxWaitingSignIns: 200,
  /** Long enough for a password and a second factor. */
  signInCodeLifetimeMs: 5 * MINUTE,
  /** OpenSSH's own MaxSessions is 10; IDEs multiplex more. */
  maxChannelsPerConnection: 64,
  maxSessionsPerPrincipal: 100,
  /** RFC 4253, section 9: after each gigabyte or each hour. */
  rekeyAfterBytes: 1024 * MiB,
  rekeyAfterMs: 60 * MINUTE,
  keyExchangeTimeoutMs: 60 * SECOND,
  /** What one connection may hold unsent before its source is paused. */
  maxQueuedBytes: 8 * MiB,
  /** Connecting to a target and signing in there. */
  upstreamTimeoutMs: 15 * SECOND,
  /** Below the idle timeout of common firewalls and load balancers (60 s). */
  keepAliveIntervalMs: 30 * SECOND,
}
