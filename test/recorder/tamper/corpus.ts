/** A small data folder as a gateway leaves it, with a recording of each kind, to be tampered with. */
import { cpSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openAuditLog } from '../../../src/audit/audit-log.ts'
import { segmentsIn } from '../../../src/audit/segments.ts'
import { openSessionLog } from '../../../src/audit/tree/session-log.ts'
import type { Signer } from '../../../src/model.ts'
import type { RecordedEvent } from '../../../src/recorder/event.ts'
import { chunkAgeMs } from '../../../src/recorder/format.ts'
import { type Auditor, newAuditor } from '../encryption/support.ts'
import { HeldClock, newFolder, newGrant, newSigner, output, quiet, startRecorder, turn } from '../support.ts'

export type Corpus = {
  /** With `recordings`, `audit` and `log`, as in a gateway's data folder. */
  readonly data: string
  /** Public keys (PEM). */
  readonly keys: readonly string[]
  /** Sealed recordings by what they are. */
  readonly recordings: Readonly<Record<string, string>>
  /** A recording that is being written: a copy, outside the data folder. */
  readonly live: string
  readonly audit: string
  readonly auditFiles: readonly string[]
  readonly log: string
  /** Whom `encrypted` is encrypted to. */
  readonly auditor: Auditor
}

const events: readonly RecordedEvent[] = [
  { type: 'channel-open', channel: 0, kind: 'session' },
  { type: 'exec', channel: 0, command: Buffer.from('make all') },
  output('cc -c a.c\r\n'),
  output(Buffer.from(Array.from({ length: 300 }, (_, at) => (at * 7919) & 0xff))), // does not compress
  { type: 'exit-status', channel: 0, status: 0 },
]

/** Signs with the key that was set last, as the gateway's signers do after a rotation. */
class Rotating {
  key: Signer = newSigner()
  readonly signer: Signer

  constructor() {
    const now = (): Signer => this.key
    this.signer = {
      get keyId() {
        return now().keyId
      },
      algorithm: 'ed25519',
      get publicKeyPem() {
        return now().publicKeyPem
      },
      sign: data => now().sign(data),
    }
  }
}

/** Makes one. It takes two seconds. */
export async function makeCorpus(): Promise<Corpus> {
  const folder = newFolder()
  const data = join(folder, 'data')
  const clock = new HeldClock()
  const heads = new Rotating()
  const checkpoints = newSigner()
  const firstHeads = heads.key
  const log = join(data, 'log')
  const auditor = newAuditor()
  let isEncrypted = false
  const common = { clock, log: quiet, signer: checkpoints }
  function open() {
    const sessionLog = openSessionLog({ ...common, folder: log, origin: 'gw', checkpointAfterMs: 0 })
    const audit = openAuditLog({
      ...common,
      folder: join(data, 'audit'),
      segmentBytes: 700,
      onCheckpoint: (upTo, sha256) => void sessionLog.add({ kind: 'audit-log', upTo, sha256 }),
    })
    const bench = {
      folder: join(data, 'recordings'),
      journalFolder: join(data, 'journal'),
      signer: heads.signer,
      clock,
    }
    const encryptTo = () => (isEncrypted ? [auditor.publicKey] : [])
    return { bench, sessionLog, audit, recorder: startRecorder(bench, { sessionLog, encryptTo }) }
  }
  const { bench, sessionLog, audit, recorder } = open()
  const recordings: Record<string, string> = {}

  async function begin(session: string, protocol: 'ssh' | 'postgres' = 'ssh') {
    const recording = recorder.open(newGrant(), { session, protocol }, await recorder.newKey())
    recordings[session] = join(bench.folder, recording.path)
    audit.append({ kind: 'session-open', session })
    for (const event of events) {
      recording.record(event)
      clock.advance(400)
      await turn()
    }
    return recording
  }
  async function whole(session: string): Promise<void> {
    const recording = await begin(session)
    recording.record(output('done\r\n'))
    await recording.seal('over')
    audit.append({ kind: 'session-close', session, reason: 'over' })
  }

  await whole('plain')
  isEncrypted = true
  await whole('encrypted')
  isEncrypted = false
  const rotated = await begin('rotated')
  heads.key = newSigner()
  await rotated.seal('over')
  const sql = await begin('sql', 'postgres')
  sql.record({ type: 'statement', statement: 1, how: 'simple', text: 'select 1' })
  await sql.seal('over')
  await begin('crashed')
  await sleep(1.2 * chunkAgeMs) // until its chunk is in its file
  const live = join(folder, 'live.sallyport')
  cpSync(recordings['crashed'] ?? '', live)
  const crashed = join(folder, 'crashed')
  cpSync(data, crashed, { recursive: true }) // what is there at this instant
  for (const part of [recorder, audit, sessionLog]) await part.close()
  rmSync(data, { recursive: true })
  renameSync(crashed, data)
  const again = open()
  again.audit.append({ kind: 'gateway-start' })
  await again.recorder.recover()
  for (const part of [again.recorder, again.audit, again.sessionLog]) await part.close()
  const keys = [checkpoints.publicKeyPem, firstHeads.publicKeyPem, heads.key.publicKeyPem]
  const auditFolder = join(data, 'audit')
  return {
    data,
    keys,
    recordings,
    live,
    audit: auditFolder,
    auditFiles: segmentsIn(auditFolder),
    log,
    auditor,
  }
}

/** A log of sessions of so many entries, with a checkpoint now and then. */
export async function makeTree(
  entries: number,
): Promise<{ folder: string; key: string; files: readonly string[] }> {
  const folder = newFolder()
  const signer = newSigner()
  const clock = new HeldClock()
  const log = openSessionLog({ folder, origin: 'gw', signer, clock, log: quiet, checkpointAfterMs: 60_000 })
  for (let entry = 0; entry < entries; entry++) {
    log.add({
      kind: 'session-open',
      session: `session-${entry}`,
      sha256: entry.toString(16).padStart(64, '0'),
    })
    if (entry % 100 === 40) await log.checkpoint()
  }
  await log.close()
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = names.filter(name => name.isFile()).map(name => join(name.parentPath, name.name))
  return {
    folder,
    key: signer.publicKeyPem,
    files: files.filter(file => readFileSync(file).length > 0).toSorted(),
  }
}
