/** What a recording tells of how its session came to be: the client, the credential that was minted, the database. */
import { carriesData, type TextEvent } from '../../../recorder/event.ts'
import { FormatProblem } from '../../../recorder/format.ts'
import { readRecording } from '../../../recorder/reader.ts'
import type { SessionFact } from '../../schema.ts'

/** All of it is told before the client is heard: among so many events, or not at all. */
const maxEvents = 64

/** Nothing of an encrypted recording, or of one whose first events cannot be read. */
export function openingFacts(file: string): readonly SessionFact[] {
  const reader = readRecording(file)
  if (reader.header.encryption !== null) {
    reader.close()
    return []
  }
  const facts: SessionFact[] = []
  let left = maxEvents
  try {
    for (const { event } of reader.events()) {
      if (!carriesData(event)) facts.push(...factsOf(event))
      if (--left === 0) break
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
  } finally {
    reader.close()
  }
  return facts
}

/** In words; nothing of what is no part of the opening. */
export function* factsOf({ type, fields }: TextEvent): Generator<SessionFact> {
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
