/** The configuration that is in force: read at the start, read again on a reload, all or nothing. */
import type { ReloadResult } from '../../api/deps.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { printProblems } from '../../config/problem.ts'
import { diffNeedsRestart } from '../../config/restart.ts'
import { Fault } from '../../errors.ts'

/** With the file as it was read: worker processes start with the same. */
export type ConfigRead = { readonly config: Config; readonly content: Buffer }

/** Processes that take a new configuration over, if they all can. */
export type Adopters = {
  /** Answers with the problems that one of them has with it, or with nothing. */
  prepare(file: string, content: Buffer): Promise<string | undefined>
  /** How many sessions it ended. */
  adopt(): Promise<number>
}

/**
 * Reads a configuration or throws Fault CONFIG_INVALID with every problem. Commands that only look say so, and work in a shell
 * that does not have the gateway's secrets.
 */
export function requireConfig(file: string, options: { withoutSecrets?: boolean } = {}): Config {
  return readConfig(file, options).config
}

/** Throws as `requireConfig` does. */
export function readConfig(file: string, options: { withoutSecrets?: boolean } = {}): ConfigRead {
  const loaded = loadConfig(file, process.env, options)
  if (loaded.ok) return loaded
  throw new Fault('CONFIG_INVALID', printProblems(loaded.problems))
}

export class Configuration {
  #read: ConfigRead
  #reloading: Promise<unknown> = Promise.resolve()

  constructor(first: ConfigRead) {
    this.#read = first
  }

  get now(): Config {
    return this.#read.config
  }

  get content(): Buffer {
    return this.#read.content
  }

  /** One after the other: workers remember one that they have prepared. `onAdopted` answers how many sessions it ended here. */
  reload(
    audit: AuditLog,
    adopters: () => Adopters | undefined,
    onAdopted: () => number,
  ): Promise<ReloadResult> {
    const reloaded = this.#reloading.then(() => this.#reloadOnce(audit, adopters(), onAdopted))
    this.#reloading = reloaded.catch(() => {})
    return reloaded
  }

  async #reloadOnce(
    audit: AuditLog,
    adopters: Adopters | undefined,
    onAdopted: () => number,
  ): Promise<ReloadResult> {
    const result = await readAgain(this.now, audit, adopters)
    if (!result.ok) return result
    this.#read = result
    const endedHere = onAdopted()
    return { ok: true, endedSessions: endedHere + ((await adopters?.adopt()) ?? 0) }
  }
}

type Reread = ({ ok: true } & ConfigRead) | { ok: false; problems: string }

/** A file with any problem, here or for a worker, or one that needs a restart, changes nothing. */
async function readAgain(current: Config, audit: AuditLog, adopters: Adopters | undefined): Promise<Reread> {
  const loaded = loadConfig(current.file)
  const ours = loaded.ok
    ? restartText(diffNeedsRestart(current, loaded.config))
    : printProblems(loaded.problems)
  const theirs = loaded.ok && ours === '' ? await adopters?.prepare(current.file, loaded.content) : undefined
  const problems = theirs ?? ours
  const isDone = problems === '' && loaded.ok
  const encryptTo = auditorsOf(isDone ? loaded.config : current)
  audit.append({ kind: 'reload', result: isDone ? 'done' : 'refused', problems, encryptTo })
  if (problems !== '' || !loaded.ok) return { ok: false, problems }
  return loaded
}

/** Whom recordings are encrypted to from then on: who takes an auditor's key out leaves a trace. */
export function auditorsOf({ recording }: Config): string {
  return recording.encryptTo.map(({ kid }) => kid).join(' ')
}

function restartText(keys: readonly string[]): string {
  return keys.length === 0
    ? ''
    : `These keys need a restart of the gateway, so nothing was changed: ${keys.join(', ')}.`
}
