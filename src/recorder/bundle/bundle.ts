/**
 * An evidence bundle: one recording with everything that it takes to prove it elsewhere, years later and without Sallyport, and the
 * proof of who took it out.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import type { SignedLine } from '../../audit/audit-log.ts'
import { verifierLine } from '../../audit/tree/note.ts'
import { FrameReader } from '../frames.ts'
import { readHeader, type RecordingHeader } from '../header.ts'
import { type ProofText, readProof } from '../register.ts'
import { readmeOf } from './readme.ts'
import { tarEnd, tarHead, tarPadding } from './tar.ts'

export type BundleKey = {
  readonly purpose: 'recording-heads' | 'log-checkpoints'
  readonly keyId: string
  readonly publicKeyPem: string
}

export type BundleParts = {
  /** The recording's file. */
  readonly file: string
  /** That it is taken out, by whom. */
  readonly export: SignedLine
  /** All keys that signed recordings and logs, former ones too. */
  readonly keys: readonly BundleKey[]
  /** The gateway's signed list of all its keys, as `sallyport keys export` prints it. */
  readonly keyList: string
  /** The newest checkpoint of the log of sessions, if there is one. */
  readonly checkpoint: string | undefined
  /** That log's name. */
  readonly origin: string
  readonly nowMs: number
}

/** Bytes that are read of the recording at a time. */
const pieceBytes = 256 * 1024

type Small = { readonly name: string; readonly text: string }

/** A tar archive. The recording comes as it is, a live one as far as it is now. */
export function* bundleOf(parts: BundleParts): Generator<Buffer> {
  const { header, proofs } = startAndProofs(parts.file)
  const folder = `sallyport-${header.session}`
  const sums: string[] = []
  const small = smallFiles(parts, header, proofs)
  for (const { name, text } of small) {
    const bytes = Buffer.from(text)
    sums.push(`${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`)
    yield* packed(`${folder}/${name}`, bytes, parts.nowMs)
  }
  const recording = `${header.session}.sallyport`
  const hash = createHash('sha256')
  yield* packedFile(`${folder}/${recording}`, parts, hash)
  sums.push(`${hash.digest('hex')}  ${recording}\n`)
  yield* packed(`${folder}/MANIFEST.sha256`, Buffer.from(sums.join('')), parts.nowMs)
  yield tarEnd()
}

function* packed(name: string, bytes: Buffer, nowMs: number): Generator<Buffer> {
  yield Buffer.concat([tarHead(name, bytes.length, nowMs), bytes, tarPadding(bytes.length)])
}

function* packedFile(name: string, { file, nowMs }: BundleParts, hash: Hash): Generator<Buffer> {
  const fd = openSync(file, 'r')
  try {
    const { size } = fstatSync(fd)
    yield tarHead(name, size, nowMs)
    for (let at = 0; at < size; ) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size - at))
      const read = readSync(fd, piece, 0, piece.length, at)
      if (read === 0) throw new Error('the recording became shorter while it was read')
      hash.update(piece.subarray(0, read))
      yield piece.subarray(0, read)
      at += read
    }
    yield tarPadding(size)
  } finally {
    closeSync(fd)
  }
}

function smallFiles(
  { export: exported, keys, keyList, checkpoint, origin }: BundleParts,
  header: RecordingHeader,
  proofs: readonly ProofText[],
): readonly Small[] {
  const pems = (purpose: BundleKey['purpose']): string =>
    keys
      .filter(key => key.purpose === purpose)
      .map(({ keyId, publicKeyPem }) => `# ${keyId}\n${publicKeyPem}`)
      .join('')
  const logKeys = keys.filter(({ purpose }) => purpose === 'log-checkpoints')
  return [
    { name: 'README.txt', text: readmeOf(header, proofs.length) },
    { name: 'verify.py', text: readFileSync(new URL('verify.py', import.meta.url), 'utf8') },
    { name: 'keys/keys.json', text: keyList },
    { name: 'keys/recording-heads.pem', text: pems('recording-heads') },
    { name: 'keys/log-checkpoints.pem', text: pems('log-checkpoints') },
    {
      name: 'keys/log.vkey',
      text: logKeys.map(({ publicKeyPem }) => `${verifierLine(origin, publicKeyPem)}\n`).join(''),
    },
    ...proofs.flatMap(({ of, entry, proof }) => [
      { name: `proofs/${of}.entry`, text: entry },
      { name: `proofs/${of}.tlog-proof`, text: proof },
    ]),
    ...(checkpoint === undefined ? [] : [{ name: 'proofs/newest-checkpoint', text: checkpoint }]),
    { name: 'exported/line.ndjson', text: exported.line },
    { name: 'exported/checkpoint.json', text: `${JSON.stringify(exported.checkpoint, undefined, 2)}\n` },
  ]
}

/** Reads to the end, so that what is damaged is not taken for a bundle's start. A damaged recording is evidence too: what there is of it. */
function startAndProofs(file: string): { header: RecordingHeader; proofs: readonly ProofText[] } {
  const frames = new FrameReader(file)
  const proofs: ProofText[] = []
  try {
    const first = frames.next()
    const header = first === undefined ? 'the header is cut' : readHeader(first.body)
    if (typeof header === 'string') throw new Error(header)
    try {
      for (let frame = frames.next(); frame !== undefined; frame = frames.next())
        if (frame.kind === 'proof') proofs.push(readProof(frame.body))
    } catch {
      // said by whoever verifies it
    }
    return { header, proofs }
  } finally {
    frames.close()
  }
}
