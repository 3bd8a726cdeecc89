import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ShellName } from './shells.ts'

/** The snippet that the documentation gives to a shell's users, as it stands there. */
export function marksRc(shell: ShellName): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/transcripts.md'), 'utf8')
  const language = shell === 'bash-plain' ? 'bash' : shell
  const found = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/transcripts.md has no snippet for ${shell}`)
  return found
}
