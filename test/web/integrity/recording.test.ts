/** The browser's proof of a recording: what it must notice, and that it says what it did not look at. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FrameReader } from '../../../src/recorder/frames.ts'
import { believe, readPins, type TrustedKey } from '../../../web/app/pages/integrity/trust.ts'
import { newFolder } from '../../support/scratch.ts'
import { proveRecording, type RecordingProof } from '../../../web/app/pages/integrity/recording.ts'

const folder = join(import.meta.dirname, '../../fixtures/recordings')
const pems = readFileSync(join(folder, 'keys.pem'), 'utf8')
const stored = (name: string): Buffer => readFileSync(join(folder, `v1-${name}.sallyport`))

test('without a pinned key the signatures prove nothing about who signed', async () => {
  const proof = await prove(stored('plain'), [])
  expect(stateOf(proof, 'Chain')).toBe('verified')
  expect(stateOf(proof, 'Signatures')).toBe('not-checked')
})

test('a file with any changed byte is proven less than the whole one', async () => {
  const whole = stored('plain')
  const keys = await allKeys()
  const proven = async (bytes: Buffer) =>
    (await prove(bytes, keys)).checks.filter(({ state }) => state === 'verified').length
  const most = await proven(whole)
  for (let at = 0; at < whole.length; at += 7) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(await proven(changed), `byte ${at}`).toBeLessThan(most)
  }
})

test('a recording of another session is not taken for the one that was asked for', async () => {
  const proof = await prove(stored('plain'), await allKeys(), 'another')
  expect(proof.checks[0]).toEqual({
    name: 'Chain',
    state: 'failed',
    says: 'Record 0 at byte 12: the header names another session.',
  })
})

test('what is no recording is said to be none', async () => {
  const proof = await prove(Buffer.from('<!doctype html>'), await allKeys())
  expect(proof.checks[0]?.says).toBe('Record 0 at byte 0: this is no recording of version 1.')
})

test('an end that was cut off a session that is over fails, wherever the cut is', async () => {
  const whole = stored('plain')
  const keys = await allKeys()
  const seal = sealOffset(whole)
  for (const length of [seal, seal + 50, seal - 50]) {
    const proof = await prove(whole.subarray(0, length), keys)
    expect(
      proof.checks.map(({ state }) => state),
      `${length} bytes`,
    ).toContain('failed')
    expect(stateOf(proof, 'End'), `${length} bytes`).not.toBe('verified')
  }
})

test('of a session that goes on an end is not asked for', async () => {
  const whole = stored('plain')
  const cut = whole.subarray(0, sealOffset(whole) + 50)
  const proof = await prove(cut, await allKeys(), undefined, false)
  expect(stateOf(proof, 'End')).toBe('not-checked')
  expect(stateOf(proof, 'Chain')).toBe('verified')
  expect(proof.checks.find(({ name }) => name === 'Chain')?.says).toMatch(/bytes at the end/)
})

test.each(['plain', 'sql', 'rotated', 'encrypted'])('a whole recording is proven (%s)', async name => {
  const proof = await prove(stored(name), await allKeys())
  const states = proof.checks.map(check => `${check.name}: ${check.state}`)
  expect(states).toEqual([
    'Chain: verified',
    'Signatures: verified',
    'End: verified',
    ...(proof.checkpoints.length === 0
      ? ['Log of sessions: not-checked']
      : ['Opening in the log of sessions: verified', 'Seal in the log of sessions: verified']),
    'Content: not-checked',
  ])
})

test.each(['live', 'crashed'])('one that is not sealed, or by a later start, says so (%s)', async name => {
  const proof = await prove(stored(name), await allKeys(), undefined, name !== 'live')
  expect(stateOf(proof, 'Chain')).toBe('verified')
  expect(proof.checks.find(check => check.name === 'End')?.says).toMatch(/no seal|stopped before/)
})

test('how the bytes were cut on their way never shows', async () => {
  const whole = stored('sql')
  const once = await prove(whole, await allKeys())
  const pieces = async function* () {
    for (let at = 0; at < whole.length; at += 13) yield whole.subarray(at, at + 13)
  }
  const session = sessionOf(whole)
  expect(await proveRecording(pieces(), { session, keys: await allKeys(), isOver: true })).toEqual(once)
})

async function prove(
  bytes: Uint8Array,
  keys: readonly TrustedKey[],
  session = sessionOf(bytes),
  isOver = true,
): Promise<RecordingProof> {
  const whole = async function* () {
    yield bytes
  }
  return proveRecording(whole(), { session, keys, isOver })
}

function sealOffset(bytes: Buffer): number {
  const file = join(newFolder('cut'), 'recording')
  writeFileSync(file, bytes)
  const frames = new FrameReader(file)
  for (let frame = frames.next(); frame !== undefined; frame = frames.next())
    if (frame.kind === 'seal') return frame.offset
  throw new Error('it has no seal')
}

function sessionOf(bytes: Uint8Array): string {
  return /"session":"([^"]+)"/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? ''
}

async function allKeys(): Promise<readonly TrustedKey[]> {
  const pins = await readPins(pems)
  if (typeof pins === 'string') throw new Error(pins)
  return (await believe('', pins)).keys
}

function stateOf(proof: RecordingProof, name: string): string | undefined {
  return proof.checks.find(check => check.name === name)?.state
}
