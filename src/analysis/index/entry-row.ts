/** What of an entry is stored beside its text, and what of it is searched. */
import type { CommandDetail, Entry, FileDetail, StatementDetail } from '../entry.ts'

/** As JSON; null where there is nothing to say. The same entry gives the same text. */
export function detailOf({ command, statement, file }: Entry): string | null {
  const detail = command ?? statement ?? file
  return detail === undefined ? null : JSON.stringify(detail)
}

/** The text, and what else of the entry somebody may look for. */
export function searchedText(text: string, detail: string | null): string {
  const { decoded = [], message = '' } = (detail === null ? {} : JSON.parse(detail)) as {
    decoded?: readonly string[]
    message?: string
  }
  const more = [...decoded, message].filter(each => each !== '')
  return more.length === 0 ? text : [text, ...more].join('\n')
}

/** The opposite of `detailOf`. */
export function withDetail(kind: Entry['kind'], detail: string | null): Partial<Entry> {
  if (detail === null) return {}
  const parsed: unknown = JSON.parse(detail)
  switch (kind) {
    case 'command':
      return { command: parsed as CommandDetail }
    case 'statement':
      return { statement: parsed as StatementDetail }
    case 'file':
      return { file: parsed as FileDetail }
    case 'screen':
    case 'forward':
      return {}
  }
}
