import { closeSync, existsSync, openSync, readFileSync, truncateSync } from 'node:fs'
import type { AppendSync } from '../../model.ts'
import { checkpointFile, checkpointsFile, type TreeFiles } from './tree-files.ts'

/** A signed checkpoint of the tree of that size. */
export type Signed = { readonly size: number; readonly text: string }

/** The newest checkpoint in its file, and all there were in the history. */
export class KeptCheckpoints {
  readonly #files: TreeFiles
  readonly #append: AppendSync
  #keeping: Promise<void> = Promise.resolve()
  #keptSize = 0
  #lastRemembered = ''

  constructor(files: TreeFiles, append: AppendSync) {
    this.#files = files
    this.#append = append
  }

  /** Takes up the history; gives the newest checkpoint, if there is one. */
  open(): string | undefined {
    this.#lastRemembered = lastWholeLine(this.#files.path(checkpointsFile))
    const path = this.#files.path(checkpointFile)
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  }

  /** Each checkpoint is in the history once: the same one is signed again after a crash, or when another key was changed. */
  remember({ size, text }: Signed): void {
    const line = `${JSON.stringify({ size, note: text })}\n`
    if (line === this.#lastRemembered) return
    const history = openSync(this.#files.path(checkpointsFile), 'a', 0o600)
    try {
      this.#append(history, [Buffer.from(line)])
    } finally {
      closeSync(history)
    }
    this.#lastRemembered = line
  }

  /** One after the other, and never an older one over a newer. */
  keep({ size, text }: Signed): Promise<void> {
    this.#keeping = this.#keeping
      .catch(() => {}) // whoever wrote that one was told
      .then(async () => {
        if (size < this.#keptSize) return
        await this.#files.writeCheckpoint(text)
        this.#keptSize = size
      })
    return this.#keeping
  }

  /** Nothing is being written any more. */
  async settle(): Promise<void> {
    await this.#keeping.catch(() => {})
  }
}

/** A full disk or a power cut may leave half a line, which the next one must not continue. Its checkpoint was never given out. */
function lastWholeLine(path: string): string {
  if (!existsSync(path)) return ''
  const bytes = readFileSync(path)
  const wholeBytes = bytes.lastIndexOf('\n') + 1
  if (wholeBytes < bytes.length) truncateSync(path, wholeBytes)
  const start = wholeBytes < 2 ? 0 : bytes.lastIndexOf('\n', wholeBytes - 2) + 1
  return bytes.toString('utf8', start, wholeBytes)
}
