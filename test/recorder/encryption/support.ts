import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AuditorPublicKey, parseAuditorKey } from '../../../src/config/auditor-key.ts'
import { linkOf } from '../../../src/chain.ts'
import { type AuditorKey, unlock } from '../../../src/recorder/encryption/auditor-key.ts'
import { frameHead, type FrameKind, preamble } from '../../../src/recorder/format.ts'
import { FrameReader } from '../../../src/recorder/frames.ts'
import { readRecording } from '../../../src/recorder/reader.ts'
import type { RecordedEvent } from '../../../src/recorder/event.ts'
import { signedFrame } from '../../../src/recorder/signed.ts'
import type { HeadText } from '../../../src/recorder/signed.ts'
import type { Signer } from '../../../src/model.ts'
import { type Bench, newBench, newFolder, newGrant, startRecorder } from '../support.ts'

export type Auditor = {
  readonly publicKey: AuditorPublicKey
  readonly privateKey: AuditorKey
  readonly jwk: object
}

/** A key pair as an auditor would have made it. */
export function newAuditor(curve: 'P-256' | 'X25519' = 'X25519'): Auditor {
  const pair =
    curve === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519')
  const publicKey = parseAuditorKey(JSON.stringify(pair.publicKey.export({ format: 'jwk' })))
  if (!publicKey.ok) throw new Error(publicKey.message)
  const jwk = pair.privateKey.export({ format: 'jwk' })
  return {
    publicKey: publicKey.value,
    privateKey: { kid: publicKey.value.kid, jwk: jwk },
    jwk,
  }
}

/** Words that are recorded, and are looked for in what lies on the disk. */
export const secretWord = 'correct-horse-battery'

/** A sealed recording of these events, with whatever chunks they make. */
export async function encryptedRecording(
  auditors: readonly Auditor[],
  events: readonly RecordedEvent[],
  session = 'one',
  bench: Bench = newBench(),
): Promise<{ bench: Bench; file: string }> {
  const recorder = startRecorder(bench, { encryptTo: () => auditors.map(({ publicKey }) => publicKey) })
  const recording = recorder.open(newGrant(), { session, protocol: 'ssh' }, await recorder.newKey())
  for (const event of events) {
    recording.record(event)
    bench.clock.advance(10)
  }
  await recording.seal('over')
  await recorder.close()
  return { bench, file: join(bench.folder, recording.path) }
}

/** What a recording says to whoever has this key. */
export async function readWith(file: string, ...auditors: readonly Auditor[]): Promise<unknown[]> {
  const keys = await unlock(
    file,
    auditors.map(({ privateKey }) => privateKey),
  )
  const reader = readRecording(file, { keys })
  try {
    return Array.from(reader.events(), ({ event }) =>
      'data' in event ? event.data.toString() : event.fields,
    )
  } finally {
    reader.close()
  }
}

export type Piece = { kind: FrameKind; body: Buffer }

export function piecesOf(file: string): Piece[] {
  const frames = new FrameReader(file)
  const pieces: Piece[] = []
  for (let frame = frames.next(); frame !== undefined; frame = frames.next())
    pieces.push({ kind: frame.kind, body: Buffer.from(frame.body) })
  frames.close()
  return pieces
}

/**
 * A file of these frames with links and signatures that are right: what whoever has the gateway's key can make. Only what is sealed to
 * the auditors can tell.
 */
export async function forged(pieces: readonly Piece[], signer: Signer): Promise<string> {
  const parts = [preamble()]
  let link = linkOf(preamble())
  for (const { kind, body } of pieces) {
    const frame = await frameOf(kind, body, link, signer)
    parts.push(frame)
    link = linkOf(frame)
  }
  const file = join(newFolder(), 'forged.sallyport')
  writeFileSync(file, Buffer.concat(parts))
  return file
}

async function frameOf(kind: FrameKind, body: Buffer, link: Buffer, signer: Signer): Promise<Buffer> {
  if (kind !== 'head' && kind !== 'seal') return Buffer.concat([frameHead(kind, body.length, link), body])
  const text = JSON.parse(body.subarray(0, -64).toString()) as HeadText
  return signedFrame(kind, text, link, signer)
}
