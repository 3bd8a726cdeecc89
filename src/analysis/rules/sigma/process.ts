/** A command of a line as the process that it would start: the fields that Sigma's `process_creation` knows it by. */
import type { ShellCommand } from '../../shell/command.ts'

export type Process = {
  /** Where the program may lie. A name without its folder may be in any folder of the system. */
  readonly images: readonly string[]
  /** Its words with a blank between them, as the kernel's audit tells them; without quotes. */
  readonly commandLine: string
  readonly words: readonly string[]
}

const systemFolders = ['/usr/bin/', '/bin/', '/usr/sbin/', '/sbin/']

/** The command itself, and each program that runs it: `sudo rm x` is two. */
export function processesOf({ argv, wrappers, words }: ShellCommand): readonly Process[] {
  const processes: Process[] = []
  let at = 0
  for (const wrapper of wrappers) {
    at = words.findIndex((word, index) => index >= at && baseName(word) === wrapper)
    if (at === -1) break
    processes.push(processOf(words.slice(at++)))
  }
  if (argv.length > 0) processes.push(processOf(argv))
  return processes
}

function processOf(words: readonly string[]): Process {
  const [program = ''] = words
  const images = program.includes('/') ? [program] : systemFolders.map(folder => `${folder}${program}`)
  return { images, commandLine: words.join(' '), words }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Fields of other sensors, and why a recorded session does not have them. */
export const missingFields: Readonly<Record<string, string>> = {
  ParentImage: 'which program started another is not in a recording',
  ParentCommandLine: 'which program started another is not in a recording',
  ParentProcessId: 'numbers of processes are not in a recording',
  GrandParentImage: 'which program started another is not in a recording',
  ProcessId: 'numbers of processes are not in a recording',
  OriginalFileName: 'it stands in programs of Windows only',
  Product: 'it stands in programs of Windows only',
  Company: 'it stands in programs of Windows only',
  Description: 'it stands in programs of Windows only',
  FileVersion: 'it stands in programs of Windows only',
  IntegrityLevel: 'Linux has none',
  Hashes: 'the programs of a target are not read',
  Imphash: 'the programs of a target are not read',
  md5: 'the programs of a target are not read',
  sha256: 'the programs of a target are not read',
  User: 'a rule sees the line; who ran it is in the session',
  LogonId: 'Linux has none',
  CurrentDirectory: 'where a line was run is known too seldom',
}
