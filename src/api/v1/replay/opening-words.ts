/**
 * What the first events of a recording say of how its session came to be, in words: the client, the credential that was minted, the database.
 * Browsers that open an encrypted recording say it in the same ones.
 */
import { carriesData, type EventRecord, type TextEvent } from '../../../recorder/event.ts'
import type { SessionFact } from '../../schema.ts'

/** All of it is told before the client is heard: among so many events, or not at all. */
const maxEvents = 64

/** Stands for all of it where the gateway cannot read it. */
export const sealedFact: SessionFact = {
  name: 'credential, client',
  value: 'in the recording, which is encrypted to auditors',
  isEmpty: true,
}

/** As far as they can be read: throws as reading them does, and what was said until then is said. */
export function* openingFactsIn(events: Iterable<EventRecord>): Generator<SessionFact> {
  let left = maxEvents
  for (const { event } of events) {
    if (!carriesData(event)) yield* factsOf(event)
    if (--left === 0) return
  }
}

/** In words; nothing of what is no part of the opening. */
function* factsOf({ type, fields }: TextEvent): Generator<SessionFact> {
  if (type === 'client') yield* said('client', fields['software'])
  if (type === 'sql-session') {
    yield* said('database', fields['database'])
    yield { name: 'client program', ...programOf(fields['application']) }
    yield* said('protocol version', fields['protocol'])
  }
  if (type === 'credential') yield* credentialFacts(fields)
}

function* said(name: string, value: unknown): Generator<SessionFact> {
  if (typeof value === 'string' && value !== '') yield { name, value }
}

function programOf(application: unknown): Omit<SessionFact, 'name'> {
  return typeof application === 'string' && application !== ''
    ? { value: application }
    : { value: 'the client did not say', isEmpty: true }
}

function* credentialFacts(fields: TextEvent['fields']): Generator<SessionFact> {
  const { credential, user, serial, keyId } = fields
  if (credential === 'postgres-role') {
    yield* said('minted role', user)
    yield { name: 'role lifetime', value: `until the session ends; ${passwordText(fields)}` }
    return
  }
  yield* said('certificate serial', serial)
  yield* said('certificate key id', keyId)
  const lifetime = lifetimeText(fields)
  if (lifetime !== undefined) yield { name: 'certificate lifetime', value: lifetime }
}

function passwordText({ passwordSeconds }: TextEvent['fields']): string {
  const within = typeof passwordSeconds === 'number' ? `, within ${passwordSeconds} s` : ''
  return `its password for one sign-in${within}`
}

function lifetimeText({ validFromMs, validUntilMs }: TextEvent['fields']): string | undefined {
  if (typeof validFromMs !== 'number' || typeof validUntilMs !== 'number') return undefined
  const until = new Date(validUntilMs).toISOString().slice(0, 19).replace('T', ' ')
  return `${Math.round((validUntilMs - validFromMs) / 1000)} s, until ${until} UTC`
}
