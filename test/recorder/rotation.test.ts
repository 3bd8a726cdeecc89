/** Recordings across changes of keys: what was signed stays provable, and what a stolen key signs does not. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSessionLog, type SessionLog } from '../../src/audit/tree/session-log.ts'
import { verifyTree } from '../../src/audit/tree/verify-tree.ts'
import type { Revocation } from '../../src/audit/revocation.ts'
import type { Signer } from '../../src/model.ts'
import type { Recorder } from '../../src/recorder/recorder.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import {
  type Bench,
  newBench,
  newFolder,
  newGrant,
  newSigner,
  output,
  quiet,
  startRecorder,
  turn,
} from './support.ts'

/** Signs with whatever key it was given last, as the gateway's do. */
class Rotating {
  current: Signer = newSigner()
  readonly signer: Signer
  constructor() {
    const now = (): Signer => this.current
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

  /** Returns the key before. */
  rotate(): Signer {
    const before = this.current
    this.current = newSigner()
    return before
  }
}

let heads: Rotating
let checkpoints: Signer
let bench: Bench
let log: SessionLog
let logFolder: string
let recorder: Recorder
beforeEach(() => {
  heads = new Rotating()
  checkpoints = newSigner()
  bench = { ...newBench(), signer: heads.signer }
  logFolder = newFolder()
  const { clock } = bench
  log = openSessionLog({
    folder: logFolder,
    origin: 'gw',
    signer: checkpoints,
    clock,
    log: quiet,
    checkpointAfterMs: 0,
  })
  recorder = startRecorder(bench, { sessionLog: log })
})
afterEach(async () => {
  await recorder.close()
  await log.close()
})

function begin(session: string) {
  const recording = recorder.open(newGrant(), { session, protocol: 'ssh' })
  recording.record(output('hello'))
  return { recording, file: join(bench.folder, recording.path) }
}

/** Closing waits for the proofs. */
async function proven(): Promise<void> {
  await recorder.close()
  recorder = startRecorder(bench, { sessionLog: log })
}

async function whole(session: string): Promise<string> {
  const { recording, file } = begin(session)
  await turn()
  await recording.seal('over')
  await proven()
  return file
}

function revoked(signer: Signer, at: number, since?: number): Revocation {
  const iso = (ms: number) => new Date(ms).toISOString()
  const { keyId, publicKeyPem } = signer
  return {
    keyId,
    publicKeyPem,
    at: iso(at),
    why: 'copied',
    ...(since === undefined ? {} : { since: iso(since) }),
  }
}

describe('a revoked key', () => {
  test('proves nothing of what was sealed after it was revoked', async () => {
    const file = await whole('late')
    const stolen = revoked(heads.current, bench.clock.ms - 1)
    const keys = [checkpoints.publicKeyPem, heads.current.publicKeyPem]
    expect(verifyRecording(file, keys, { revoked: [stolen] })).toMatchObject({
      ok: false,
      record: 1,
      reason: `it is signed by a revoked key (${stolen.keyId}, revoked at ${stolen.at}: copied); nothing else is wrong`,
    })
  })

  test('proves nothing of what was sealed since somebody else may have had it', async () => {
    const file = await whole('between')
    const stolen = revoked(heads.current, bench.clock.ms + 60_000, bench.clock.ms - 60_000)
    const keys = [checkpoints.publicKeyPem, heads.current.publicKeyPem]
    const result = verifyRecording(file, keys, { revoked: [stolen] })
    expect(result).toMatchObject({
      ok: false,
      reason: expect.stringContaining(`not to be believed since ${stolen.since}`),
    })
  })

  test('still proves what the log of sessions took in before, and says so', async () => {
    const file = await whole('early')
    const stolen = revoked(heads.current, bench.clock.ms + 60_000)
    const keys = [checkpoints.publicKeyPem, heads.current.publicKeyPem]
    const result = verifyRecording(file, keys, { revoked: [stolen] })
    expect(result).toMatchObject({ ok: true, signedBy: [heads.current.keyId] })
    expect(result.ok && result.notes.join()).toContain(
      `Signed by a key that was revoked later (${stolen.keyId}`,
    )
  })

  test('is not saved by a log whose key was not given, or was revoked too', async () => {
    const file = await whole('early')
    const stolen = revoked(heads.current, bench.clock.ms + 60_000)
    const only = [heads.current.publicKeyPem]
    expect(verifyRecording(file, only, { revoked: [stolen] }).ok).toBe(false)
    const both = [checkpoints.publicKeyPem, ...only]
    const alsoStolen = revoked(checkpoints, bench.clock.ms + 60_000)
    expect(verifyRecording(file, both, { revoked: [stolen, alsoStolen] }).ok).toBe(false)
  })

  test('of a live recording is told, for nothing dates it', async () => {
    const { file } = begin('live')
    await turn()
    const stolen = revoked(heads.current, bench.clock.ms + 60_000)
    const keys = [checkpoints.publicKeyPem, heads.current.publicKeyPem]
    expect(verifyRecording(file, keys, { revoked: [stolen] })).toMatchObject({ ok: false, record: 1 })
  })

  test('does no harm to a session that the next key sealed', async () => {
    const { recording, file } = begin('across')
    await turn()
    const before = heads.rotate()
    await recording.seal('over')
    await proven()
    const keys = [before.publicKeyPem, heads.current.publicKeyPem]
    const result = verifyRecording(file, keys, { revoked: [revoked(before, bench.clock.ms)] })
    expect(result).toMatchObject({ ok: true, signedBy: [before.keyId, heads.current.keyId] })
  })

  test('of log checkpoints counts no more once the newest checkpoint is its own', async () => {
    await whole('one')
    const stolen = revoked(checkpoints, bench.clock.ms)
    expect(
      verifyTree(logFolder, { keys: [checkpoints.publicKeyPem], revoked: [stolen] }).result,
    ).toMatchObject({
      ok: false,
      record: 0,
      offset: 0,
      reason: expect.stringContaining('the newest checkpoint is signed by a revoked key only'),
    })
  })
})

describe('a session that is open while keys rotate', () => {
  test('names the key that sealed it, so that it verifies with the old and the new one', async () => {
    const { recording, file } = begin('across')
    await turn()
    const before = heads.rotate()
    await recording.seal('over')
    await proven()
    const keys = [before.publicKeyPem, heads.current.publicKeyPem]
    expect(verifyRecording(file, keys)).toMatchObject({ ok: true, sealed: true })
    expect(verifyRecording(file)).toMatchObject({ ok: true, signedBy: [before.keyId, heads.current.keyId] })
    expect(verifyRecording(file, before.publicKeyPem)).toMatchObject({
      ok: false,
      reason: expect.stringContaining(`signed with another key than those given, ${heads.current.keyId}`),
    })
  })

  test('is sealed with the new key if a crash came between', async () => {
    const { file } = begin('crashed')
    await turn()
    const before = heads.rotate()
    const again = startRecorder(bench, { sessionLog: log })
    await again.recover()
    await again.close()
    const keys = [before.publicKeyPem, heads.current.publicKeyPem]
    expect(verifyRecording(file, keys)).toMatchObject({
      ok: true,
      sealed: true,
      signedBy: [before.keyId, heads.current.keyId],
    })
    expect(verifyRecording(file)).toMatchObject({ ok: true })
  })
})

test('a recording of which one key signed everything says nothing of keys but in its header', async () => {
  const file = await whole('plain')
  expect(readFileSync(file, 'latin1').split('BEGIN PUBLIC KEY')).toHaveLength(2)
})

describe('a log of sessions whose key rotates', () => {
  async function rotated(alsoSigning: boolean) {
    await whole('before')
    await log.close()
    const heir = newSigner()
    log = openSessionLog({
      folder: logFolder,
      origin: 'gw',
      signer: heir,
      alsoSigning: () => (alsoSigning ? [checkpoints] : []),
      clock: bench.clock,
      log: quiet,
    })
    await log.signAnew()
    return heir
  }

  test('verifies with either key while both sign', async () => {
    const heir = await rotated(true)
    for (const keys of [[checkpoints.publicKeyPem], [heir.publicKeyPem, checkpoints.publicKeyPem]])
      expect(verifyTree(logFolder, { keys }).result).toMatchObject({ ok: true })
  })

  test('afterwards verifies with both keys, and with the old one alone says which is missing', async () => {
    const heir = await rotated(false)
    const both = [heir.publicKeyPem, checkpoints.publicKeyPem]
    expect(verifyTree(logFolder, { keys: both }).result).toMatchObject({ ok: true })
    expect(verifyTree(logFolder, { keys: [checkpoints.publicKeyPem] }).result).toMatchObject({
      ok: false,
      reason: 'the checkpoint is not signed by a key that you trust',
    })
  })

  test('a revoked old key does no harm: the newest checkpoint covers all that it signed', async () => {
    const heir = await rotated(false)
    const keys = [heir.publicKeyPem, checkpoints.publicKeyPem]
    expect(
      verifyTree(logFolder, { keys, revoked: [revoked(checkpoints, bench.clock.ms)] }).result,
    ).toMatchObject({ ok: true })
  })
})
