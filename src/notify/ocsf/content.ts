/** What was done in a session: commands as Process Activity, statements as Datastore Activity, files as File Hosting Activity. */
import type { Mapped } from './mapped.ts'
import type { Parties } from './people.ts'
import type { EntryReading, OcsfObject } from './reading.ts'

export function contentMapping(entry: EntryReading, parties: Parties): Mapped | undefined {
  switch (entry.event.kind) {
    case 'content-command':
      return command(entry, parties)
    case 'content-statement':
      return statement(entry, parties)
    case 'content-file':
      return file(entry)
    case 'content-forward':
      return forward(entry, parties)
    default:
      return undefined
  }
}

/** What was typed, or asked for: how sure that is stands in `unmapped`. */
function command(entry: EntryReading, { target }: Parties): Mapped {
  const exit = entry.number('exitStatus')
  const name = entry.text('program')
  const login = entry.text('login')
  return {
    class: 'process',
    activity: 'Launch',
    severity: 'informational',
    message: 'A command was given in a session',
    more: {
      device: { hostname: target?.['name'] ?? 'unknown', type_id: 1, type: 'Server' },
      process: {
        name: name ?? 'unknown',
        cmd_line: entry.text('text') ?? '',
        ...(login === undefined ? {} : { user: { name: login } }),
      },
      ...(exit === undefined ? {} : { exit_code: exit }),
    },
  }
}

const activities: Readonly<Record<string, string>> = {
  read: 'Query',
  write: 'Write',
  ddl: 'Create',
  copy: 'Read',
}

function statement(entry: EntryReading, { target }: Parties): Mapped {
  const failed = entry.text('sqlstate') !== undefined && !isSuccess(entry.event.fields['sqlstate'])
  const fingerprint = entry.text('fingerprint')
  const [table] = entry.texts('tables')
  return {
    class: 'datastore',
    activity: activities[entry.text('class') ?? ''] ?? 'Statement',
    severity: 'informational',
    status: failed || entry.event.fields['blocked'] !== undefined ? 'failure' : 'success',
    message: 'A statement was run in a session',
    more: {
      type_id: 1,
      type: 'Database',
      database: { name: target?.['name'] ?? 'unknown', type_id: 1, type: 'Relational' },
      query_info: {
        query_string: entry.text('text') ?? '',
        ...(fingerprint === undefined ? {} : { uid: fingerprint }),
        ...measuresOf(entry),
      },
      ...(table === undefined ? {} : { table: { name: table } }),
    },
  }
}

/** SQLSTATE classes 00, 01 and 02 are success, a warning, and no data. */
function isSuccess(state: unknown): boolean {
  return typeof state === 'string' && /^0[012]/.test(state)
}

function measuresOf(entry: EntryReading): OcsfObject {
  const bytes = entry.number('bytes')
  return bytes === undefined ? {} : { bytes }
}

function file(entry: EntryReading): Mapped {
  const path = entry.text('text') ?? 'unknown'
  const size = entry.number('bytes')
  const sha256 = entry.text('sha256')
  return {
    class: 'fileHosting',
    activity: fileActivity(entry.text('operation'), entry.text('direction')),
    severity: 'informational',
    message: 'A file was touched in a session',
    more: {
      file: {
        name: path.split('/').at(-1) || path,
        path,
        type_id: 1,
        type: 'Regular File',
        ...(size === undefined ? {} : { size }),
        ...(sha256 === undefined
          ? {}
          : { hashes: [{ algorithm_id: 3, algorithm: 'SHA-256', value: sha256 }] }),
      },
    },
  }
}

function fileActivity(operation: string | undefined, direction: string | undefined): string {
  if (direction === 'up') return 'Upload'
  if (direction === 'down') return 'Download'
  switch (operation) {
    case 'remove':
      return 'Delete'
    case 'rename':
      return 'Rename'
    default:
      return operation ?? 'Operation'
  }
}

function forward(entry: EntryReading, { target }: Parties): Mapped {
  const endpoint = target === undefined ? { dst_endpoint: { name: 'unknown' } } : {}
  return {
    class: 'ssh',
    activity: 'Traffic',
    severity: 'informational',
    message: `A forward: ${entry.text('text') ?? ''}`,
    more: endpoint,
  }
}
