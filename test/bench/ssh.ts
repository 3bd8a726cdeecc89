/** SSH, three ways on one machine: straight to sshd, through `ssh -J`, and through the gateway with recording on. */
import { Company } from './company.ts'
import { measureCrowds } from './crowds.ts'
import { measureConnect, measureLogins } from './logins.ts'
import type { Measurement } from './measurement.ts'
import { measureTransfers } from './transfers.ts'

export const sshGroups = ['memory', 'echo', 'connect', 'logins', 'transfers'] as const
export type SshGroup = (typeof sshGroups)[number]

export type BenchOptions = {
  readonly megabytes: number
  readonly rounds: number
  /** How many idle sessions at once, ascending. */
  readonly sessions: readonly number[]
  readonly only: readonly SshGroup[]
}

/** Runs every measurement `rounds` times, the ways in turn, and keeps the median of each. */
export async function benchSsh(options: BenchOptions): Promise<readonly Measurement[]> {
  const { only, rounds, sessions } = options
  const wants = (group: SshGroup): boolean => only.includes(group)
  const company = await Company.start()
  try {
    // Memory first: what transfers leave behind would hide what a session takes.
    const crowds = { sessions, echo: wants('echo'), memory: wants('memory') }
    return [
      ...(await measureCrowds(company, crowds)),
      ...(wants('connect') ? await measureConnect(company, rounds) : []),
      ...(wants('logins') ? await measureLogins(company, rounds) : []),
      ...(wants('transfers') ? await measureTransfers(company, options) : []),
    ]
  } finally {
    await company.stop()
  }
}
