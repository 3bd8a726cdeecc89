/** A disk that fails when the test says so: a library in C, compiled here and preloaded into the gateway. */
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { scratchFolder } from '../openssh.ts'

const source = new URL('faulty-disk.c', import.meta.url).pathname
const ruleBytes = 4096

export type DiskFault = 'hang' | 'ENOSPC' | 'EDQUOT' | 'EIO' | 'EROFS'
export type DiskCall = { readonly what: 'write' | 'begin' | 'synced' | 'send'; readonly path: string }

/** Why it cannot be made here, or undefined. */
export function missingForFaultyDisk(): string | undefined {
  if (process.platform !== 'linux') return 'Linux'
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'gcc'
  }
}

export class FaultyDisk {
  readonly #folder = scratchFolder()
  readonly #rule: string
  readonly #log: string

  constructor() {
    this.#rule = join(this.#folder.path, 'rule')
    this.#log = join(this.#folder.path, 'calls')
    writeFileSync(this.#rule, Buffer.alloc(ruleBytes))
    execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', this.#library, source, '-ldl'])
  }

  get #library(): string {
    return join(this.#folder.path, 'faulty-disk.so')
  }

  /** What the process needs in its environment; with `logged` its calls are written down. */
  environment({ logged = false } = {}): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: this.#library,
      SALLYPORT_TEST_DISK: this.#rule,
      ...(logged ? { SALLYPORT_TEST_DISK_LOG: this.#log } : {}),
    }
  }

  /** From now on, for files whose path contains `where`. */
  fail(fault: DiskFault, where: string): void {
    this.#write(`${fault} ${where}`)
  }

  heal(): void {
    this.#write('')
  }

  /** The calls so far, in order. */
  calls(): readonly DiskCall[] {
    if (!existsSync(this.#log)) return []
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => {
        const [what, path = ''] = line.split(' ')
        return { what: what as DiskCall['what'], path }
      })
  }

  remove(): void {
    this.#folder.remove()
  }

  /** In place: the process has the file in its memory. */
  #write(rule: string): void {
    const bytes = Buffer.alloc(ruleBytes)
    bytes.write(rule)
    const fd = openSync(this.#rule, 'r+')
    writeSync(fd, bytes, 0, bytes.length, 0)
    closeSync(fd)
  }
}
