/** What a session can be taken out as, by its protocol, and what such a file is. */
import type { Protocol } from '../../../model.ts'
import type { ExportFormat } from '../../../recorder/export.ts'

export type DownloadFormat = ExportFormat | 'bundle'
export type FileKind = { readonly suffix: string; readonly contentType: string }

const utf8 = 'charset=utf-8'
const asciicast = { suffix: 'cast', contentType: 'application/x-asciicast' }
const csv = { suffix: 'csv', contentType: `text/csv; ${utf8}` }
const ndjson = { suffix: 'ndjson', contentType: 'application/x-ndjson' }

const kinds: Readonly<Record<DownloadFormat, FileKind>> = {
  asciicast,
  'asciicast-v2': asciicast,
  'asciicast-v3': asciicast,
  text: { suffix: 'txt', contentType: `text/plain; ${utf8}` },
  html: { suffix: 'html', contentType: `text/html; ${utf8}` },
  json: ndjson,
  sql: { suffix: 'sql', contentType: `application/sql; ${utf8}` },
  csv,
  ndjson,
  'files-csv': { ...csv, suffix: 'files.csv' },
  'files-ndjson': { ...ndjson, suffix: 'files.ndjson' },
  bundle: { suffix: 'tar', contentType: 'application/x-tar' },
}

const onlyOf: Partial<Record<DownloadFormat, Protocol>> = {
  asciicast: 'ssh',
  'asciicast-v2': 'ssh',
  'asciicast-v3': 'ssh',
  sql: 'postgres',
}

/** Undefined where a session of that protocol has no such form. */
export function kindOf(
  format: string,
  protocol: Protocol,
): (FileKind & { format: DownloadFormat }) | undefined {
  if (!Object.hasOwn(kinds, format)) return undefined
  const known = format as DownloadFormat
  const only = onlyOf[known]
  return only === undefined || only === protocol ? { ...kinds[known], format: known } : undefined
}
