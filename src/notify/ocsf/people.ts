/** Who did it and between which machines, as OCSF's objects say it. */
import { isIP } from 'node:net'
import type { EntryReading, OcsfObject } from './reading.ts'

export type Parties = {
  readonly user: OcsfObject | undefined
  readonly actor: OcsfObject
  readonly source: OcsfObject | undefined
  readonly target: OcsfObject | undefined
}

/** What entries say where nobody did it: the gateway by itself. */
const ownParts: ReadonlySet<string> = new Set(['session', 'sweep', 'policy'])

/** Takes what an entry says of persons and places. */
export function partiesOf(entry: EntryReading): Parties {
  const user = userOf(entry)
  const by = entry.text('by', 'who')
  const session = entry.text('session')
  const person =
    user ?? (by === undefined || ownParts.has(by) ? undefined : { name: by, type_id: 99, type: 'Other' })
  const actor = {
    ...(person === undefined ? { app_name: 'sallyport' } : { user: person }),
    ...(session === undefined ? {} : { session: { uid: session } }),
  }
  return { user, actor, source: sourceOf(entry), target: targetOf(entry) }
}

/** A person's key is (issuer, subject); a name is for reading. */
function userOf(entry: EntryReading): OcsfObject | undefined {
  const name = entry.text('principal', 'name', 'userName')
  const subject = entry.text('subject')
  const issuer = entry.text('issuer')
  if (name === undefined && subject === undefined) return undefined
  return {
    name: name ?? subject,
    ...(subject === undefined ? {} : { uid: subject }),
    ...(issuer === undefined ? {} : { domain: issuer }),
    ...(name !== undefined && /^[^@\s]+@[^@\s]+$/.test(name) ? { email_addr: name } : {}),
    type_id: 1,
    type: 'User',
  }
}

function sourceOf(entry: EntryReading): OcsfObject | undefined {
  const address = entry.text('sourceAddress')
  if (address === undefined) return undefined
  return isIP(address.split('%', 1)[0] ?? '') === 0 ? { name: address } : { ip: address }
}

function targetOf(entry: EntryReading): OcsfObject | undefined {
  const name = entry.text('target')
  return name === undefined ? undefined : { name, type_id: 1, type: 'Server' }
}
