/** An entry of the audit log as an event of the Open Cybersecurity Schema Framework. */
import type { FeedEvent } from '../event.ts'
import { activityOther, classes, type OcsfClass, ocsfVersion, severities, statuses } from './classes.ts'
import type { Mapped, Producer } from './mapped.ts'
import { mappingOf } from './mappings.ts'
import { type Parties, partiesOf } from './people.ts'
import { EntryReading, type OcsfObject } from './reading.ts'

export function toOcsf(event: FeedEvent, producer: Producer): OcsfObject {
  const entry = new EntryReading(event)
  const parties = partiesOf(entry)
  const mapped = mappingOf(entry, parties, producer)
  const statusCode = entry.text('code')
  const detail = entry.text('reasons', 'reason', 'why', 'cause')
  return {
    ...classification(mapped),
    ...statusOf(mapped, statusCode, detail),
    time: event.atMs,
    message: mapped.message,
    metadata: metadataOf(event, producer, mapped.class),
    ...endpointsOf(mapped.class, parties),
    ...mapped.more,
    ...restOf(entry),
  }
}

function classification({ class: name, activity, severity }: Mapped): OcsfObject {
  const { uid, name: className, category, activities } = classes[name]
  const activityId = (activities as Readonly<Record<string, number>>)[activity] ?? activityOther
  return {
    activity_id: activityId,
    activity_name: activity,
    category_uid: Math.floor(uid / 1000),
    category_name: category,
    class_uid: uid,
    class_name: className,
    type_uid: uid * 100 + activityId,
    type_name: `${className}: ${activity}`,
    severity_id: severities[severity].id,
    severity: severities[severity].name,
  }
}

function statusOf({ status }: Mapped, code: string | undefined, detail: string | undefined): OcsfObject {
  return {
    ...(status === undefined ? {} : { status_id: statuses[status].id, status: statuses[status].name }),
    ...(code === undefined ? {} : { status_code: code }),
    ...(detail === undefined ? {} : { status_detail: detail }),
  }
}

/** `uid` is the same each time that this entry is sent. */
function metadataOf(
  { uid, sequence, kind, atMs, fields }: FeedEvent,
  { gateway, version }: Producer,
  name: OcsfClass,
): OcsfObject {
  const session = fields['session']
  return {
    version: ocsfVersion,
    uid,
    sequence,
    event_code: kind,
    log_name: 'audit',
    log_provider: gateway,
    original_time: new Date(atMs).toISOString(),
    ...(typeof session === 'string' && session !== ''
      ? { correlation_uid: session.slice(0, 200).toWellFormed() }
      : {}),
    ...(withActor.has(name) ? {} : { profiles: ['host'] }),
    product: { name: 'Sallyport', vendor_name: 'Sallyport', version },
  }
}

/** Whose attributes name somebody by themselves; the others have an actor by OCSF's profile `host`. */
const withActor: ReadonlySet<OcsfClass> = new Set([
  'process',
  'authentication',
  'entity',
  'api',
  'datastore',
  'fileHosting',
])
/** Classes that have the attribute; others would not pass a validator. */
const withSource: ReadonlySet<OcsfClass> = new Set(
  [...withActor, 'ssh'].filter(name => name !== 'process') as OcsfClass[],
)
const withTarget: ReadonlySet<OcsfClass> = new Set([...withSource].filter(name => name !== 'entity'))
/** Their source has to be there, also where nobody connected: then it is the gateway itself. */
const needSource: ReadonlySet<OcsfClass> = new Set(['api', 'datastore', 'fileHosting'])

function endpointsOf(name: OcsfClass, { actor, source, target }: Parties): OcsfObject {
  const from = source ?? (needSource.has(name) ? { name: 'gateway' } : undefined)
  return {
    actor,
    ...(withSource.has(name) && from !== undefined ? { src_endpoint: from } : {}),
    ...(withTarget.has(name) && target !== undefined ? { dst_endpoint: target } : {}),
  }
}

function restOf(entry: EntryReading): OcsfObject {
  const unmapped = entry.rest()
  return unmapped === undefined ? {} : { unmapped }
}
