/** The thread that checks the audit log and the log of sessions, every line and signature, once, and says what is wrong. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Revocation } from '../../audit/revocation.ts'
import { verifyTree } from '../../audit/tree/verify-tree.ts'
import { verifyAudit } from '../../audit/verify.ts'

export type LogCheckWish = {
  readonly auditFolder: string
  readonly sessionLogFolder: string
  readonly keys: readonly string[]
  readonly revoked: readonly Revocation[]
}
export type LogProblem = {
  readonly log: 'audit log' | 'log of sessions'
  readonly file: string
  readonly record: number
  readonly offset: number
  readonly reason: string
}

const { auditFolder, sessionLogFolder, keys, revoked } = workerData as LogCheckWish
const tree = verifyTree(sessionLogFolder, { keys, revoked })
const entered = new Map(
  tree.leaves.flatMap(leaf => (leaf.kind === 'audit-log' ? [[leaf.upTo, leaf.sha256] as const] : [])),
)
const audit = verifyAudit(auditFolder, keys, { revoked, entered })
const problems: LogProblem[] = []
if (!tree.result.ok) problems.push({ log: 'log of sessions', ...tree.result })
if (!audit.ok) problems.push({ log: 'audit log', ...audit })
parentPort?.postMessage(problems, [])
