import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Leaf } from '../../../src/audit/tree/leaf.ts'
import { openSessionLog } from '../../../src/audit/tree/session-log.ts'
import { tilePath } from '../../../src/audit/tree/tile.ts'
import { verifyTree } from '../../../src/audit/tree/verify-tree.ts'
import { HeldClock, newFolder, newSigner, quiet } from '../../recorder/support.ts'

const origin = 'bastion.example.com'
const signer = newSigner()
const keys = [signer.publicKeyPem]

/** A log that got a checkpoint at each of these sizes. */
async function logOf(sizes: readonly number[]): Promise<string> {
  const folder = newFolder()
  const options = { origin, signer, clock: new HeldClock(), log: quiet, checkpointAfterMs: 60_000 }
  const log = openSessionLog({ folder, ...options })
  for (const size of sizes) {
    while (log.size < size) log.add(leaf(log.size))
    await log.checkpoint()
  }
  await log.close()
  return folder
}

function leaf(number: number): Leaf {
  return { kind: 'session-open', session: `s${number}`, sha256: number.toString(16).padStart(64, '0') }
}

describe('a log of sessions', () => {
  test('that is whole verifies, with its leaves in order', async () => {
    const { result, leaves } = verifyTree(await logOf([1, 5, 256, 300, 600]), { keys })
    expect(result).toMatchObject({ ok: true, kind: 'session-log', records: 600, sealed: true, notes: [] })
    expect(leaves.map(({ kind }) => kind)).toEqual(Array.from({ length: 600 }, () => 'session-open'))
  })

  test('signed by another key does not verify', async () => {
    const { result } = verifyTree(await logOf([3]), { keys: [newSigner().publicKeyPem] })
    expect(result).toMatchObject({ ok: false, reason: expect.stringContaining('not signed') })
  })

  test('whose bytes were changed anywhere does not verify', async () => {
    const whole = await logOf([4, 260])
    const files = ['growing', 'checkpoint', 'checkpoints.ndjson', tilePath('entries', 0), tilePath(0, 0)]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (name, at, mask) => {
          const folder = join(newFolder(), 'log')
          cpSync(whole, folder, { recursive: true })
          const bytes = readFileSync(join(folder, name))
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask
          writeFileSync(join(folder, name), bytes)
          expect(verifyTree(folder, { keys }).result.ok, `${name} at ${at % bytes.length}`).toBe(false)
        },
      ),
      { numRuns: 150 },
    )
  })

  test('names the first entry that is not what its hash says, and where it lies', async () => {
    const folder = await logOf([300])
    const file = join(folder, tilePath('entries', 0))
    const text = readFileSync(file, 'latin1')
    const offset = text.indexOf('"session":"s77"')
    writeFileSync(file, text.replace('"session":"s77"', '"session":"s78"'), 'latin1')
    const { result } = verifyTree(folder, { keys })
    expect(result).toMatchObject({ ok: false, file, record: 77 })
    if (!result.ok) expect(Math.abs(result.offset - offset)).toBeLessThan(40)
  })

  test('that lost its end is found by a checkpoint that was kept elsewhere', async () => {
    const folder = await logOf([7, 9])
    const kept = join(newFolder(), 'kept')
    copyFileSync(join(folder, 'checkpoint'), kept)
    const shorter = await logOf([7])
    expect(verifyTree(shorter, { keys }).result.ok).toBe(true)
    const { result } = verifyTree(shorter, { keys, checkpoints: [kept] })
    expect(result).toMatchObject({
      ok: false,
      file: kept,
      reason: expect.stringContaining('counts 9 entries'),
    })
  })

  test('that was written anew by whoever has the key is found by a checkpoint that was kept elsewhere', async () => {
    const kept = join(newFolder(), 'kept')
    copyFileSync(join(await logOf([7]), 'checkpoint'), kept)
    const folder = newFolder()
    const options = { origin, signer, clock: new HeldClock(), log: quiet, checkpointAfterMs: 60_000 }
    const log = openSessionLog({ folder, ...options })
    for (let at = 0; at < 9; at++) log.add(leaf(at === 3 ? 99 : at))
    await log.close()
    expect(verifyTree(folder, { keys }).result.ok).toBe(true)
    expect(verifyTree(folder, { keys, checkpoints: [kept] }).result).toMatchObject({
      ok: false,
      reason: expect.stringContaining('changed, moved, added or removed'),
    })
  })

  test('copied without what only the gateway needs still verifies', async () => {
    const folder = await logOf([256, 300])
    rmSync(join(folder, 'growing'))
    rmSync(join(folder, 'checkpoints.ndjson'))
    expect(verifyTree(folder, { keys }).result).toMatchObject({
      ok: true,
      records: 300,
      notes: ['Earlier checkpoints were not given.'],
    })
  })
})
