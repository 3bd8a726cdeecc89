/**
 * How commands reach sessions and recordings: through the running gateway, or, where none runs, by holding the data folder
 * themselves. Either way each read is in the audit log before anything is shown (invariant 9).
 */
import { openAuditLog, type SignedLine, type SigningAuditLog } from '../audit/audit-log.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { type Authorities, openAuthorities } from '../credentials/authority.ts'
import { Fault } from '../errors.ts'
import { openLog } from '../log.ts'
import type { SessionRow, SessionState } from '../model.ts'
import { type KeptView, purgedText } from '../recorder/retention/view.ts'
import { lockData } from '../store/lock.ts'
import { findSessions, type SessionPageFound, type SessionsWish } from '../store/session-query.ts'
import { openStore } from '../store/sqlite-store.ts'
import { AdminClient } from './admin-client.ts'
import { foldersOf } from './folders.ts'
import { CommandStore } from './storage.ts'

export type Access = {
  readonly list: (wish: { limit: number; state?: SessionState }) => Promise<readonly SessionRow[]>
  readonly find: (wish: SessionsWish) => Promise<SessionPageFound>
  /** With how long it is kept, if a gateway runs. */
  readonly get: (id: string) => Promise<SessionRow & { readonly kept?: KeptView }>
  /** Notes the reading, then says where the recording is. */
  readonly read: (id: string, purpose: string) => Promise<string>
  /** The same, with the proof that it was noted. */
  readonly readSigned: (id: string, purpose: string) => Promise<{ path: string; signed: SignedLine }>
  readonly end: (id: string, reason: string) => Promise<void>
  readonly pause: (id: string, reason: string) => Promise<void>
  readonly resume: (id: string, reason: string) => Promise<void>
  readonly close: () => Promise<void>
}

export async function openAccess(config: Config): Promise<Access> {
  const client = new AdminClient(foldersOf(config).adminSocket)
  return (await client.isUp()) ? throughGateway(client) : byOurselves(config)
}

/** The newest session that has ended, for `last`. */
export async function resolveId(access: Access, id: string): Promise<string> {
  if (id !== 'last') return id
  const rows = await access.list({ limit: 100 })
  const last = rows.find(row => row.state !== 'open')
  if (last === undefined)
    throw new Fault('NOT_FOUND', 'No session has ended yet. "sallyport sessions list" shows all.')
  return last.id
}

function throughGateway(client: AdminClient): Access {
  return {
    list: wish => client.sessions(wish),
    find: wish => client.findSessions(wish),
    get: id => client.session(id),
    read: (id, purpose) => client.readRecording(id, purpose),
    readSigned: (id, purpose) => client.readSigned(id, purpose),
    end: (id, reason) => client.end(id, reason),
    pause: (id, reason) => client.pause(id, reason, localUser()),
    resume: (id, reason) => client.resume(id, localUser(), reason),
    close: () => client.done(),
  }
}

async function byOurselves(config: Config): Promise<Access> {
  const lock = lockData(config.gateway.data)
  const store = await openStore(config.gateway.data)
  const audit = openOwnAudit(config)
  const get = async (id: string): Promise<SessionRow> => {
    const row = await store.sessions.get(id)
    if (row === undefined)
      throw new Fault('NOT_FOUND', `There is no session ${id}. "sallyport sessions list" shows all.`)
    return row
  }
  const by = localUser()
  const recordings = new CommandStore(config)
  const getKept = async (id: string): Promise<SessionRow> => {
    const purge = await store.purges.get(id)
    if (purge?.finishedAtMs === undefined) return await get(id)
    throw new Fault('NOT_FOUND', purgedText({ ...purge, atMs: purge.finishedAtMs }))
  }
  return {
    list: wish => store.sessions.list(wish),
    find: async wish =>
      findSessions(config.gateway.data, { ...wish, filter: { ...wish.filter, visible: { kind: 'all' } } }),
    get,
    read: async (id, purpose) => {
      const row = await getKept(id)
      audit.append({ kind: 'recording-read', session: id, purpose, by })
      return recordings.fetch(row.recording)
    },
    readSigned: async (id, purpose) => {
      const row = await getKept(id)
      const signed = await audit.appendSigned({ kind: 'recording-read', session: id, purpose, by })
      return { path: await recordings.fetch(row.recording), signed }
    },
    end: nothingIsOpen,
    pause: nothingIsOpen,
    resume: nothingIsOpen,
    close: async () => {
      recordings.close()
      await audit.close()
      await store.close()
      lock.release()
    },
  }
}

function localUser(): string {
  return `local user ${process.getuid?.() ?? ''}`
}

async function nothingIsOpen(): Promise<void> {
  throw new Fault('GATEWAY_NOT_RUNNING', 'The gateway is not running, so no session is open.')
}

export function openOwnAudit(
  config: Config,
  authorities: Authorities = openAuthorities(foldersOf(config).keys),
): SigningAuditLog {
  const { audit } = foldersOf(config)
  const signer = authorities['log-checkpoints']
  return openAuditLog({ folder: audit, signer, clock: systemClock, log: openLog('warn') })
}
