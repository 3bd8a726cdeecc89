/** How much is in a session, in words. */
import type { SessionSummary } from '../../../src/api/schema.ts'

/** What is encrypted to auditors never is indexed. */
export function contentOf({
  counts,
  protocol,
  encrypted,
}: Pick<SessionSummary, 'counts' | 'protocol' | 'encrypted'>): string {
  if (counts === undefined) return encrypted ? 'encrypted' : 'not indexed yet'
  const { commands, statements, rows, files } = counts
  if (protocol === 'postgres') return `${counted(statements, 'statement')} · ${counted(rows, 'row')}`
  return `${counted(commands, 'command')}${files === 0 ? '' : ` · ${counted(files, 'file')}`}`
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
