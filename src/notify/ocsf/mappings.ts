/** Which class each kind of entry is. docs/integrations.md has the same as a table, and a test compares them. */
import type { OcsfSeverity } from './classes.ts'
import { contentMapping } from './content.ts'
import { findingMapping } from './finding.ts'
import type { Mapped, Producer } from './mapped.ts'
import type { Parties } from './people.ts'
import type { EntryReading, OcsfObject } from './reading.ts'

type Mapping = (entry: EntryReading, parties: Parties, producer: Producer) => Mapped

export function mappingOf(entry: EntryReading, parties: Parties, producer: Producer): Mapped {
  const { kind } = entry.event
  if (kind.startsWith('finding-')) return findingMapping(entry, parties)
  const content = contentMapping(entry, parties)
  return content ?? (mappings[kind] ?? other)(entry, parties, producer)
}

/** Of `mappings`, for the test of the documents. */
export const mappedKinds = (): readonly string[] => Object.keys(mappings)

const mappings: Readonly<Record<string, Mapping>> = {
  'sign-in': (entry, parties, producer) => logon(entry, parties, producer, 'success'),
  'code-shown': (entry, parties, producer) => ({
    ...logon(entry, parties, producer, 'success'),
    activity: 'Code Shown',
    message: 'A sign-in was confirmed in the browser and its code was shown',
  }),
  refusal,
  'session-open': (entry, parties) => session(entry, parties, 'open'),
  'session-close': (entry, parties) => session(entry, parties, 'close'),
  'credential-minted': entry => entity(entry, 'Create', credential(entry), 'A credential was minted'),
  'credential-removed': entry => entity(entry, 'Delete', credential(entry), 'A credential was removed'),
  'credential-stuck': entry => ({
    ...entity(entry, 'Delete', credential(entry), 'A credential could not be removed yet'),
    severity: 'medium',
    status: 'failure',
  }),
  'key-enrolled': entry => entity(entry, 'Create', key(entry), 'A key signs its person in from now on'),
  'key-revoked': entry => entity(entry, 'Delete', key(entry), 'A key signs nobody in any more'),
  'password-made': entry => entity(entry, 'Create', password(entry), 'A connection password was shown'),
  'password-revoked': entry => entity(entry, 'Delete', password(entry), 'A connection password ended'),
  'host-key-learned': entry =>
    entity(entry, 'Create', { ...key(entry), type: 'host key' }, 'A host key was trusted on first use'),
  'authority-change': entry => ({
    ...entity(entry, 'Update', authority(entry), "A change of the gateway's keys was asked for"),
    severity: 'medium',
    status: entry.text('refused') === undefined ? 'success' : 'failure',
  }),
  'authority-key': entry => entity(entry, 'Update', authority(entry), 'A key of the gateway changed'),
  reload: entry => ({
    ...entity(
      entry,
      'Update',
      { name: 'configuration', type: 'configuration' },
      'The configuration was read again',
    ),
    status: entry.text('result') === 'done' ? 'success' : 'failure',
  }),
  'recording-read': entry => call(entry, 'Read', 'A recording was read'),
  'watch-begin': entry => call(entry, 'Read', 'Somebody watches an open session'),
  'watch-end': entry => call(entry, 'Read', 'Somebody left an open session'),
  'purge-decided': entry => call(entry, 'Delete', 'A recording is to be removed', 'low'),
  'purge-done': entry => call(entry, 'Delete', 'A recording was removed', 'low'),
  'purge-stopped': entry => ({
    ...call(entry, 'Delete', 'A recording was not removed', 'low'),
    status: 'failure',
  }),
  'hold-placed': entry => call(entry, 'Create', 'A legal hold was placed'),
  'hold-released': entry => call(entry, 'Delete', 'A legal hold was released', 'low'),
  'person-forgotten': entry => call(entry, 'Delete', 'Recordings of a person were removed on request', 'low'),
  probe: entry => call(entry, 'Probe', 'The gateway connected to a target without a session'),
  'cancel-request': entry => call(entry, 'Update', 'A running statement was cancelled'),
  'letter-retried': entry => call(entry, 'Update', 'A dead letter was sent again'),
  'letter-dropped': entry => call(entry, 'Delete', 'A dead letter was dropped', 'low'),
  'sink-disabled': entry => ({
    ...call(entry, 'Update', 'A receiver wants nothing any more', 'medium'),
    status: 'failure',
  }),
  'sink-resumed': entry => call(entry, 'Update', 'A receiver gets messages again'),
  'ask-followed': entry =>
    call(entry, 'Update', 'A receiver asked for something, and policy allowed it', 'medium'),
  'ask-refused': entry => ({
    ...call(entry, 'Update', 'A receiver asked for something, and it was refused', 'low'),
    status: 'failure',
  }),
  search: entry => call(entry, 'Read', 'Somebody searched sessions'),
  'verdict-given': entry => call(entry, 'Create', 'Somebody gave a verdict on a session'),
  'session-assigned': entry => call(entry, 'Update', 'Somebody gave a session to a reviewer'),
  'comment-added': entry => call(entry, 'Create', 'Somebody commented on a session'),
  'end-asked': entry => call(entry, 'Update', 'Somebody asked for the end of a session', 'low'),
  'index-rebuilt': entry => call(entry, 'Update', 'All recordings are read again'),
  'findings-removed': entry => call(entry, 'Delete', 'Findings were removed because of their age', 'low'),
  'name-asked': entry => call(entry, 'Read', 'Somebody asked whom a finding is about'),
  'name-decided': entry => call(entry, 'Update', 'It was decided whether a name is shown'),
  'session-held': entry => call(entry, 'Update', 'A session waits', 'medium'),
  'session-released': entry => call(entry, 'Update', 'A session goes on'),
  'gateway-start': (_, __, producer) => lifecycle('Start', 'The gateway started', producer),
  'gateway-stop': (_, __, producer) => lifecycle('Stop', 'The gateway stops', producer),
  'worker-start': (_, __, producer) => lifecycle('Start', 'A worker process started', producer),
  'worker-end': (_, __, producer) => ({
    ...lifecycle('Stop', 'A worker process ended', producer),
    severity: 'low',
  }),
  'recording-stored': (_, __, producer) =>
    lifecycle('Recording Stored', 'A recording is in the bucket', producer),
  'storage-failing': (_, __, producer) => ({
    ...lifecycle('Storage Failing', 'Recordings cannot be stored', producer),
    severity: 'high',
    status: 'failure',
  }),
  'storage-recovered': (_, __, producer) =>
    lifecycle('Storage Recovered', 'Recordings can be stored again', producer),
  'torn-line': (_, __, producer) => ({
    ...lifecycle('Log Repaired', 'A crash left a line of the audit log that is not whole', producer),
    severity: 'medium',
  }),
}

/** Kinds that nobody has mapped yet are sent nevertheless. */
function other({ event }: EntryReading): Mapped {
  return {
    class: 'base',
    activity: event.kind,
    severity: 'informational',
    message: `Audit entry ${event.kind}`,
  }
}

const somebody: OcsfObject = { name: 'unknown', type_id: 0, type: 'Unknown' }

function logon(
  entry: EntryReading,
  { user }: Parties,
  producer: Producer,
  status: 'success' | 'failure',
): Mapped {
  const method = entry.text('method')
  const isOpenId = method?.startsWith('browser') === true || method === 'oauth-bearer'
  return {
    class: 'authentication',
    activity: 'Logon',
    severity: status === 'success' ? 'informational' : 'low',
    status,
    message: status === 'success' ? 'Somebody signed in' : 'Somebody was not let in',
    more: {
      user: user ?? somebody,
      is_remote: true,
      service: { name: producer.gateway },
      auth_protocol_id: isOpenId ? 4 : 99,
      auth_protocol: isOpenId ? 'OpenID' : (method ?? 'unknown'),
    },
  }
}

/** Of a session that somebody wanted, or of a sign-in. */
function refusal(entry: EntryReading, parties: Parties, producer: Producer): Mapped {
  const { protocol } = entry.event.fields
  if (parties.target === undefined || parties.source === undefined)
    return logon(entry, parties, producer, 'failure')
  if (protocol !== 'ssh' && protocol !== 'postgres') return logon(entry, parties, producer, 'failure')
  const refused = session(entry, parties, 'open')
  return {
    ...refused,
    activity: protocol === 'ssh' ? 'Refuse' : 'Connect',
    severity: 'low',
    status: 'failure',
    message: 'A session was refused',
  }
}

/** SSH and PostgreSQL sessions are of different classes; a close of older logs does not say which it was. */
function session(entry: EntryReading, { target }: Parties, what: 'open' | 'close'): Mapped {
  const isPostgres = entry.text('protocol') === 'postgres'
  const message = what === 'open' ? 'A session was opened' : 'A session was closed'
  const common = { severity: 'informational', status: 'success', message } as const
  if (!isPostgres) {
    const endpoint = target === undefined ? { dst_endpoint: { name: 'unknown' } } : {}
    return { class: 'ssh', activity: what === 'open' ? 'Open' : 'Close', ...common, more: endpoint }
  }
  return {
    class: 'datastore',
    activity: what === 'open' ? 'Connect' : 'Disconnect',
    ...common,
    more: {
      type_id: 1,
      type: 'Database',
      database: {
        name: entry.text('database') ?? target?.['name'] ?? 'unknown',
        type_id: 1,
        type: 'Relational',
      },
    },
  }
}

function entity(_: EntryReading, activity: string, about: OcsfObject, message: string): Mapped {
  return {
    class: 'entity',
    activity,
    severity: 'informational',
    status: 'success',
    message,
    more: { entity: about },
  }
}

function named(name: string | undefined, uid: string | undefined, type: string): OcsfObject {
  return {
    name: name ?? uid ?? 'unknown',
    ...(uid === undefined ? {} : { uid }),
    type,
  }
}

function credential(entry: EntryReading): OcsfObject {
  return named(entry.text('role', 'serial'), entry.text('id'), 'credential')
}

function key(entry: EntryReading): OcsfObject {
  return named(entry.text('fingerprint'), undefined, 'sign-in key')
}

function password(entry: EntryReading): OcsfObject {
  return named(undefined, entry.text('id'), 'connection password')
}

function authority(entry: EntryReading): OcsfObject {
  return named(entry.text('purpose'), entry.text('keyId'), 'authority key')
}

/** What somebody asked of the gateway itself. */
function call(
  entry: EntryReading,
  activity: string,
  message: string,
  severity: OcsfSeverity = 'informational',
): Mapped {
  const { kind, fields } = entry.event
  const { session: id } = fields
  const resource = typeof id === 'string' && id !== '' ? { resources: [{ uid: id, type: 'session' }] } : {}
  return {
    class: 'api',
    activity,
    severity,
    status: 'success',
    message,
    more: { api: { operation: kind }, ...resource },
  }
}

function lifecycle(activity: string, message: string, { version }: Producer): Mapped {
  return {
    class: 'lifecycle',
    activity,
    severity: 'informational',
    status: 'success',
    message,
    more: { app: { name: 'Sallyport', vendor_name: 'Sallyport', version } },
  }
}
