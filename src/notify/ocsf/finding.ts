/** Entries of the kinds `finding-…`: what the analysis noticed, and what reviewers decided. */
import type { OcsfSeverity } from './classes.ts'
import type { Mapped } from './mapped.ts'
import type { Parties } from './people.ts'
import type { EntryReading, OcsfObject } from './reading.ts'

export function findingMapping(entry: EntryReading, parties: Parties): Mapped {
  const { kind, uid: ofEntry } = entry.event
  const activity = activityOf(kind, entry.text('what'))
  const uid = entry.text('finding', 'id') ?? ofEntry
  const said = entry.text('sentence', 'title', 'text')
  return {
    class: 'finding',
    activity,
    severity: severityOf(entry.text('severity')),
    message: said ?? kind.replaceAll('-', ' '),
    more: {
      ...stateOf(activity, entry.text('state')),
      is_alert: activity === 'Create' && !isHidden(entry.event.fields['place']),
      finding_info: infoOf(entry, uid, said),
      ...evidenceOf(parties),
    },
  }
}

function activityOf(kind: string, what: string | undefined): 'Create' | 'Update' | 'Close' {
  if (kind === 'finding-noticed') return 'Create'
  return kind === 'finding-suppressed' || what === 'closed' ? 'Close' : 'Update'
}

/** Findings that no reviewer is shown are told as such, and raise no alarm. */
function isHidden(place: unknown): boolean {
  return place === 'shadow' || place === 'suppressed'
}

function severityOf(word: string | undefined): OcsfSeverity {
  switch (word) {
    case 'low':
    case 'medium':
    case 'high':
    case 'critical':
      return word
    default:
      return 'informational'
  }
}

/** OCSF's life of a finding: 1 new, 2 in progress, 3 suppressed, 4 resolved. */
function stateOf(activity: string, state: string | undefined): OcsfObject {
  if (state === 'suppressed') return { status_id: 3, status: 'Suppressed' }
  if (activity === 'Close') return { status_id: 4, status: 'Resolved' }
  return activity === 'Create' ? { status_id: 1, status: 'New' } : { status_id: 2, status: 'In Progress' }
}

function infoOf(entry: EntryReading, uid: string, said: string | undefined): OcsfObject {
  const rules = [...entry.texts('rules'), ...entry.texts('rule')]
  const attacks = [...entry.texts('techniques'), ...entry.texts('technique')].map(attackOf)
  return {
    uid,
    title: said ?? rules[0] ?? entry.text('group') ?? 'Finding',
    ...(rules[0] === undefined
      ? {}
      : { analytic: { name: rules[0], uid: rules[0], type_id: 1, type: 'Rule' } }),
    ...(attacks.length === 0 ? {} : { attacks }),
    ...(rules.length < 2 ? {} : { types: rules }),
  }
}

/** `T1059.004` is the sub-technique 004 of T1059. */
function attackOf(id: string): OcsfObject {
  const technique = id.split('.', 1)[0] ?? id
  return {
    technique: { uid: technique, name: technique },
    ...(technique === id ? {} : { sub_technique: { uid: id, name: id } }),
  }
}

function evidenceOf({ actor, source, target }: Parties): OcsfObject {
  const evidence = {
    actor,
    ...(source === undefined ? {} : { src_endpoint: source }),
    ...(target === undefined ? {} : { dst_endpoint: target }),
  }
  const resources = target === undefined ? {} : { resources: [{ name: target['name'], type: 'server' }] }
  return { evidences: [evidence], ...resources }
}
