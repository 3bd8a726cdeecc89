/** The variable that carries a session's nonce to the shell; sshd passes names that begin with LC_ by default on many systems. */
export const marksVariable = 'LC_SALLYPORT_MARKS'

/**
 * Marks that shells put into their output. OSC 133 (FinalTerm; A prompt, B command line, C output, D end), OSC 633 (Visual Studio Code:
 * the same, E with the command line and a nonce, P with properties), OSC 7 (the directory as a URL). Any program can
 * print them: only those with the session's nonce count as the shell's.
 */
export type Mark =
  | { readonly kind: 'prompt' | 'line' | 'output' }
  | { readonly kind: 'end'; readonly status: number | undefined; readonly nonce: string | undefined }
  | { readonly kind: 'command'; readonly text: string; readonly nonce: string | undefined }
  | { readonly kind: 'directory'; readonly path: string; readonly nonce: string | undefined }

/** The mark that an OSC sequence is; undefined for others. `code` is its number, `data` what follows the first semicolon. */
export function markOf(code: number, data: string): Mark | undefined {
  if (code === 7) return directoryUrl(data)
  const [letter, first, second] = data.split(';', 4)
  switch (letter) {
    case 'A':
      return { kind: 'prompt' }
    case 'B':
      return { kind: 'line' }
    case 'C':
      return { kind: 'output' }
    case 'D':
      return { kind: 'end', status: statusOf(first), nonce: second }
    case 'E':
      return code === 633 ? { kind: 'command', text: unescapeMark(first ?? ''), nonce: second } : undefined
    case 'P':
      return code === 633 ? property(first ?? '', second) : undefined
    default:
      return undefined
  }
}

function property(text: string, nonce: string | undefined): Mark | undefined {
  return text.startsWith('Cwd=') ? { kind: 'directory', path: unescapeMark(text.slice(4)), nonce } : undefined
}

function directoryUrl(data: string): Mark | undefined {
  const path = /^file:\/\/[^/]*(\/.*)$/.exec(data)?.[1]
  if (path === undefined) return undefined
  try {
    return { kind: 'directory', path: decodeURIComponent(path), nonce: undefined }
  } catch {
    return undefined
  }
}

function statusOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) : undefined
}

/** Undoes `\\` and `\xHH`. */
function unescapeMark(text: string): string {
  return text.replaceAll(/\\(\\|x[\da-fA-F]{2})/g, (_, what: string) =>
    what === '\\' ? '\\' : String.fromCharCode(Number.parseInt(what.slice(1), 16)),
  )
}
