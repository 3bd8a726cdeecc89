/** What a client does, as data: the same thing is done by every way to the target, and must come out the same. */
import type { Peer } from './peers.ts'

/** Replaced in all output, because two runs by the very same way would differ in it as well. */
export type Rule = { readonly find: RegExp; readonly replace: string; readonly why: string }

type Common = {
  /** A sentence about what is the same by all ways. */
  readonly name: string
  /** Programs beside ssh. */
  readonly needs?: readonly Peer[]
  readonly rules?: readonly Rule[]
  /** What plain ssh to plain sshd must say, so that three equal failures are none. */
  readonly says: RegExp
  /** And its exit status; default 0. */
  readonly status?: number
}

/**
 * A bash script in an empty folder. `on COMMAND` runs a command on the target; `ssh`, `scp`, `sftp`, `rsync` and `git` know it as
 * `target`. In the environment: WAY, CONFIG (an ssh_config), KEY, LOGIN, FILES (a folder to read from), CLIENTS (helpers),
 * ADDRESS and PORT (where to connect), USERNAME (as whom), and by the way of a jump GATEWAY_PORT.
 * Client and target are one machine: the folder (WORK) is there on both sides.
 */
export type Scripted = Common & { readonly script: string }

export type Step =
  | { readonly wait: RegExp }
  | { readonly type: string }
  | { readonly resize: readonly [columns: number, rows: number] }

/** ssh in a terminal of 80 columns and 24 rows, driven step by step; everything that it showed is compared. */
export type Typed = Common & {
  readonly terminal: readonly string[]
  /** Run by sh in the local terminal before ssh starts: its settings are what ssh sends along. */
  readonly before?: string
  readonly steps: readonly Step[]
}

export type Scenario = Scripted | Typed

export type Outcome = { readonly stdout: string; readonly stderr: string; readonly status: number }
