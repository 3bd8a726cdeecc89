/** What is known of a command besides its text, in words. All of it is as hostile as the command. */
import type { EntryView } from '../../../src/api/schema.ts'
import { usageWords } from '../session/usage.ts'

/** How a command became known. An exec request is exact; the others were read off the screen. */
const foundTexts: Readonly<Record<string, string>> = {
  exec: 'asked for by the client',
  marks: 'marked by the shell',
  editor: 'read in an editor of lines',
  prompt: 'read behind a prompt',
  typed: 'typed and shown',
}

/** Exit code, directory, how it was found and how sure that is, and whether it is new. */
export function factsOf({ detail, usage }: EntryView): string {
  const { exitStatus, directory, found, sure, blocked } = detail
  const parts = [
    typeof blocked === 'string' ? `refused by the gateway: ${blocked}` : '',
    typeof exitStatus === 'number' ? `exit ${exitStatus}` : '',
    typeof directory === 'string' ? `in ${directory}` : '',
    typeof found === 'string' ? (foundTexts[found] ?? found) : '',
    typeof sure === 'number' && sure < 1 ? `${Math.round(sure * 100)} % sure` : '',
    usage === undefined ? '' : usageWords(usage),
  ]
  return parts.filter(part => part !== '').join(' · ')
}

/** What was encoded in it, in clear. */
export function decodedOf({ detail: { decoded } }: EntryView): readonly string[] {
  return Array.isArray(decoded) ? decoded.filter(text => typeof text === 'string') : []
}

/** The place of the last one whose time has come, or -1. In whatever order they became known. */
export function currentAt(commands: readonly Pick<EntryView, 'offsetMs'>[], positionMs: number): number {
  let last = -1
  let lastMs = -1
  for (const [place, { offsetMs }] of commands.entries())
    if (offsetMs <= positionMs && offsetMs >= lastMs) [last, lastMs] = [place, offsetMs]
  return last
}
