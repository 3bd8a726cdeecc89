/** A relay for a session that is open on both sides: its rules, its parser and what of it is recorded, from what the gateway has. */
import type { Grammar } from '../../analysis/sql/grammar.ts'
import type { PostgresLimits } from '../../config/config.ts'
import type { Log } from '../../log.ts'
import type { Grant } from '../../policy/decide.ts'
import type { Session } from '../../session/session.ts'
import type { RelayEnds, RunningRelay } from '../passage.ts'
import { statementGate } from './gate.ts'
import type { StatementGate } from './hooks.ts'
import type { MaskedDatabases, SessionMasks } from './masked-databases.ts'
import { Relay } from './relay.ts'
import type { MaskSecrets } from './statement-text.ts'

export type StartRelayParts = {
  readonly grammar: Grammar
  readonly limits: () => PostgresLimits
  /** Rows of each result that are kept (`recording.results`). */
  readonly headRows: () => number
  readonly maskSecrets: MaskSecrets
  readonly maskedDatabases: MaskedDatabases
  readonly log: Log
}

/** Starts relaying. Whoever ends the session ends it. */
export function startRelay(ends: RelayEnds, parts: StartRelayParts): RunningRelay {
  const { session, client, target, start } = ends
  const { grammar, log } = parts
  const masks = masksOf(ends, parts.maskedDatabases)
  const relay = new Relay({
    session,
    client,
    target: target.socket,
    start,
    opening: { parameters: target.parameters, status: target.status },
    limits: parts.limits(),
    gate: gateOf(session, userOf(ends), grammar, masks),
    mask: masks?.results,
    facts: {
      known: text => grammar.known(text)?.facts,
      facts: text => grammar.facts(text, 'beside', session.id),
    },
    maskSecrets: parts.maskSecrets,
    headRows: parts.headRows(),
    log,
  })
  relay.start()
  return { note: event => relay.note(event) }
}

/** What is masked, if the session's rule says so. The look-up runs while the client gets ready; the first statement waits for it. */
function masksOf({ session, start }: RelayEnds, databases: MaskedDatabases): SessionMasks | undefined {
  const { mask, target } = session.grant.fields
  if (mask === undefined || target.protocol !== 'postgres') return undefined
  const masks = databases.open(target, start.database, mask)
  session.onEnd(() => masks.close())
  return masks
}

/** The role that was made for the session, as the target itself calls it. */
function userOf({ target, session }: RelayEnds): string {
  const said = target.parameters.findLast(({ name }) => name === 'session_authorization')
  return said?.value ?? session.grant.fields.login
}

/** A gate for as long as the rules stay the same: with another one, statements that were prepared before are judged no more. */
function gateOf(
  session: Session,
  user: string,
  grammar: Grammar,
  masks: SessionMasks | undefined,
): () => StatementGate {
  const opened = session.grant.fields.mask
  // Other masks than those that the session was opened with: the gate lets nothing pass until the person connects again.
  const masksFor = ({ fields }: Grant) =>
    JSON.stringify(fields.mask) === JSON.stringify(opened) ? masks : undefined
  const gateFor = (grant: Grant): StatementGate =>
    statementGate({ grant, user, grammar, session: session.id, masks: masksFor(grant) })
  let rules = rulesOf(session.grant)
  let gate = gateFor(session.grant)
  session.onDecision(grant => {
    const now = rulesOf(grant)
    if (now === rules) return
    rules = now
    gate = gateFor(grant)
  })
  return () => gate
}

function rulesOf({ fields }: Grant): string {
  return JSON.stringify([fields.deny, fields.mask, fields.role])
}
