/** Takes checkpoints of the log of sessions to where the gateway's operator cannot rewrite them. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { appendAll } from '../audit/append.ts'
import { parseCheckpoint } from '../audit/tree/checkpoint.ts'
import { isSignedBy, type NoteVerifier, parseSignature, parseVerifier } from '../audit/tree/note.ts'
import type { ConsistencyProof, Publisher } from '../audit/tree/publishers.ts'
import type { Clock } from '../clock.ts'
import type { CheckpointPlace, SyslogServer } from '../config/config.ts'
import { Fault } from '../errors.ts'
import { signedHeaders } from './standard-webhooks.ts'
import { sendSyslogBatch } from './syslog.ts'

/** Another machine has so long to answer; the next checkpoint says all that this one did. */
export const answerTimeoutMs = 10_000
/** A witness answers with a few lines; more is not read. */
const maxAnswerBytes = 16 * 1024

/** Throws Fault CONFIG_INVALID for a witness whose key cannot be read. */
export function publisherTo(place: CheckpointPlace, clock: Clock): Publisher {
  if (place.kind === 'file') return { name: place.path, publish: async note => appendTo(place.path, note) }
  if (place.kind === 'webhook')
    return { name: place.url, publish: note => post(place.url, note, place.secret.reveal(), clock) }
  if (place.kind === 'syslog') {
    const { host, port } = place.server
    return { name: `syslog ${host}:${port}`, publish: note => log(place.server, note, clock) }
  }
  const key = parseVerifier(place.key)
  if (typeof key !== 'string') return witnessAt(place.url, key)
  throw new Fault('CONFIG_INVALID', `log.publish: the key of the witness ${place.url} ${key}.`)
}

/** The same JSON as in the log's own `checkpoints.ndjson`. */
async function log(server: SyslogServer, note: string, clock: Clock): Promise<readonly string[]> {
  await sendSyslogBatch(server, [
    { severity: 'notice', id: 'checkpoint', atMs: clock.nowMs(), text: lineOf(note) },
  ])
  return []
}

/** One line a checkpoint, as in the log's own `checkpoints.ndjson`. A line is whole or it is not there, also on a disk that is full. */
function appendTo(path: string, note: string): readonly string[] {
  const fd = openSync(path, 'a+', 0o600)
  try {
    const wholeBytes = cutTornLine(fd)
    appendWhole(fd, Buffer.from(`${lineOf(note)}\n`), wholeBytes)
  } finally {
    closeSync(fd)
  }
  return []
}

function lineOf(note: string): string {
  const checkpoint = parseCheckpoint(note)
  return JSON.stringify({ size: typeof checkpoint === 'string' ? undefined : checkpoint.size, note })
}

/** Longer than any checkpoint with all its signatures. */
const maxLineBytes = 64 * 1024

/** What a crash has left of a line is taken off, since the next one would continue it. Gives the length of what is whole. */
function cutTornLine(fd: number): number {
  const { size } = fstatSync(fd)
  const tail = Buffer.alloc(Math.min(size, maxLineBytes))
  readSync(fd, tail, 0, tail.length, size - tail.length)
  const wholeBytes = size - tail.length + tail.lastIndexOf(10) + 1
  if (wholeBytes < size) ftruncateSync(fd, wholeBytes)
  return wholeBytes
}

function appendWhole(fd: number, line: Buffer, wholeBytes: number): void {
  try {
    appendAll(fd, [line])
  } catch (cause) {
    ftruncateSync(fd, wholeBytes)
    throw cause
  }
}

/** Signed as Standard Webhooks says: HMAC-SHA256 over id, time and body. The id is the tree's size: a repeat is the same message. */
async function post(url: string, note: string, secret: string, clock: Clock): Promise<readonly string[]> {
  const checkpoint = parseCheckpoint(note)
  if (typeof checkpoint === 'string') throw new Error(checkpoint)
  const { origin, size } = checkpoint
  const id = `checkpoint_${size}`
  const seconds = Math.floor(clock.nowMs() / 1000)
  const body = JSON.stringify({
    type: 'log.checkpoint',
    timestamp: new Date(seconds * 1000).toISOString(),
    data: { origin, size, note },
  })
  const headers = {
    'content-type': 'application/json',
    ...signedHeaders({ id, atSeconds: seconds, body }, [secret]),
  }
  const { status } = await send(url, { headers, body })
  if (status < 200 || status > 299) throw new Error(`it answered with status ${status}`)
  return []
}

/** C2SP tlog-witness: shows the witness that the log only grew, and brings back its cosignature. */
function witnessAt(url: string, key: NoteVerifier): Publisher {
  let knownSize = 0
  const ask = (note: string, proofFrom: ConsistencyProof): Promise<Answer> => {
    const proof = proofFrom(knownSize).map(hash => `${hash.toString('base64')}\n`)
    return send(`${url}/add-checkpoint`, { body: `old ${knownSize}\n${proof.join('')}\n${note}` })
  }
  return {
    name: url,
    publish: async (note, proofFrom) => {
      const checkpoint = parseCheckpoint(note)
      if (typeof checkpoint === 'string') throw new Error(checkpoint)
      let answer = await ask(note, proofFrom)
      if (answer.status === 409) {
        knownSize = sizeIn(answer, checkpoint.size)
        answer = await ask(note, proofFrom)
      }
      if (answer.status !== 200) throw new Error(`the witness answered with status ${answer.status}`)
      const lines = answer.body.split('\n').filter(line => isCosignature(line, checkpoint.note.text, key))
      if (lines.length === 0) throw new Error('the witness answered without a signature of its key')
      knownSize = checkpoint.size
      return lines
    },
  }
}

/** The witness has seen another size than we thought. A larger one than ours would mean that our log lost its end. */
function sizeIn({ body }: Answer, ours: number): number {
  const size = /^([0-9]{1,16})\n?$/.exec(body)?.[1]
  if (size === undefined) throw new Error('the witness does not say what it has seen')
  if (Number(size) > ours)
    throw new Error(
      `the witness has seen ${size} entries and the log has ${ours}: compare them with a checkpoint that was kept`,
    )
  return Number(size)
}

function isCosignature(line: string, text: string, key: NoteVerifier): boolean {
  const signature = parseSignature(line)
  return signature !== undefined && isSignedBy({ text, signatures: [signature] }, key)
}

type Answer = { readonly status: number; readonly body: string }

async function send(
  url: string,
  message: { headers?: Record<string, string>; body: string },
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'error',
    signal: AbortSignal.timeout(answerTimeoutMs),
    ...message,
  })
  return { status: response.status, body: await textOf(response) }
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    parts.push(part)
    bytes += part.length
    if (bytes > maxAnswerBytes) throw new Error('the answer is too long')
  }
  return Buffer.concat(parts).toString()
}
