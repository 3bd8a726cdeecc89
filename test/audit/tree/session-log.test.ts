import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { appendAll } from '../../../src/audit/append.ts'
import { parseCheckpoint } from '../../../src/audit/tree/checkpoint.ts'
import type { Leaf } from '../../../src/audit/tree/leaf.ts'
import { leafHash, provesConsistency, rootOf } from '../../../src/audit/tree/merkle.ts'
import { openSessionLog, type SessionLogOptions } from '../../../src/audit/tree/session-log.ts'
import { decodeEntries, tilePath } from '../../../src/audit/tree/tile.ts'
import { verifyTree } from '../../../src/audit/tree/verify-tree.ts'
import { checkProof } from '../../../src/audit/tree/tree-proof.ts'
import { HeldClock, newFolder, newSigner, quiet } from '../../recorder/support.ts'

const origin = 'bastion.example.com'
const signer = newSigner()
const trusted = [signer.publicKeyPem]

function options(more: Partial<SessionLogOptions> = {}): SessionLogOptions {
  const clock = new HeldClock()
  return { folder: newFolder(), origin, signer, clock, log: quiet, checkpointAfterMs: 1, ...more }
}

function leaf(number: number): Leaf {
  return { kind: 'session-open', session: `s${number}`, sha256: number.toString(16).padStart(64, '0') }
}

describe('the log of sessions', () => {
  test('refuses everything once an append failed', async () => {
    let isBroken = false
    const log = openSessionLog(
      options({
        append: (fd, parts) => {
          if (isBroken) throw new Error('no space')
          appendAll(fd, parts)
        },
      }),
    )
    log.add(leaf(1))
    isBroken = true
    expect(() => log.add(leaf(2))).toThrow(/the log of sessions failed/)
    isBroken = false
    expect(() => log.add(leaf(3))).toThrow(/the log of sessions failed/)
    expect(log.failure?.code).toBe('SESSION_LOG_FAILED')
    await log.close()
  })

  test('keeps its name when the gateway gets another', async () => {
    const mine = options()
    const log = openSessionLog(mine)
    log.add(leaf(1))
    await log.close()
    const again = openSessionLog({ ...mine, origin: 'another.example.com' })
    again.add(leaf(2))
    await again.close()
    expect(parseCheckpoint(readFileSync(join(mine.folder, 'checkpoint'), 'utf8'))).toMatchObject({
      origin,
      size: 2,
    })
  })

  test('whose entries were cut or changed behind its checkpoint is not continued', async () => {
    for (const spoil of [
      (file: string) => writeFileSync(file, readFileSync(file).subarray(0, -1)),
      (file: string) => writeFileSync(file, readFileSync(file, 'latin1').replace('s1', 's2'), 'latin1'),
    ]) {
      const mine = options()
      const log = openSessionLog(mine)
      log.add(leaf(1))
      log.add(leaf(2))
      await log.close()
      spoil(join(mine.folder, 'growing'))
      expect(() => openSessionLog(mine)).toThrow(/cannot be continued/)
    }
  })

  test('gives each leaf a proof that leads to a signed checkpoint', async () => {
    const log = openSessionLog(options())
    const proofs = await Promise.all(Array.from({ length: 20 }, (_, at) => log.proofOf(log.add(leaf(at)))))
    for (const [index, proof] of proofs.entries()) {
      expect(checkProof(proof, trusted)).toMatchObject({ index, signedBy: signer.publicKeyPem })
      expect(proof.entry).toContain(`"session":"s${index}"`)
      expect(checkProof({ ...proof, entry: proof.entry.replace('"s', '"t') }, trusted)).toContain(
        'does not lead',
      )
      expect(checkProof(proof, [newSigner().publicKeyPem])).toMatchObject({ signedBy: undefined })
    }
    await log.close()
  })

  test('goes on where it ended, at every size around full tiles, and stays one tree', async () => {
    const mine = options({ checkpointAfterMs: 60_000 })
    const hashes: Buffer[] = []
    for (const upTo of [1, 255, 256, 257, 511, 512, 513, 1200]) {
      const log = openSessionLog(mine)
      while (log.size < upTo) log.add(leaf(log.size))
      await log.close()
      const checkpoint = parseCheckpoint(readFileSync(join(mine.folder, 'checkpoint'), 'utf8'))
      for (let at = hashes.length; at < upTo; at++) hashes.push(entryHash(mine.folder, at, upTo))
      expect(checkpoint).toMatchObject({ size: upTo, root: rootOf(hashes) })
    }
  })

  test('proves to witnesses that it only grew', async () => {
    const heads: { size: number; root: Buffer }[] = []
    const log = openSessionLog(
      options({
        checkpointAfterMs: 60_000,
        publishers: [
          {
            name: 'test',
            publish: async (text, proofFrom) => {
              const head = parseCheckpoint(text)
              if (typeof head === 'string') throw new Error(head)
              for (const earlier of heads)
                expect(provesConsistency(earlier, head, proofFrom(earlier.size))).toBe(true)
              heads.push(head)
              return []
            },
          },
        ],
      }),
    )
    for (const upTo of [1, 3, 256, 300, 513]) {
      while (log.size < upTo) log.add(leaf(log.size))
      await log.checkpoint()
    }
    await log.close()
    expect(heads.map(head => head.size)).toEqual([1, 3, 256, 300, 513])
  })

  test('cuts off an entry that a crash has torn, and makes up the tile that a crash kept from being written', async () => {
    const mine = options({ checkpointAfterMs: 60_000 })
    const log = openSessionLog(mine)
    for (let at = 0; at < 260; at++) log.add(leaf(at))
    await log.close()
    appendFileSync(join(mine.folder, 'growing'), Buffer.from([0, 90, 1, 2, 3]))
    const size = statSync(join(mine.folder, tilePath(0, 0))).size
    rmSync(join(mine.folder, tilePath(0, 0)))
    const again = openSessionLog(mine)
    expect(again.size).toBe(260)
    expect(statSync(join(mine.folder, tilePath(0, 0))).size).toBe(size)
    expect(checkProof(await again.proofOf(7), trusted)).toMatchObject({ index: 7 })
    await again.close()
  })

  test('does not continue half a line of its checkpoints, which would look like tampering', async () => {
    const mine = options()
    const log = openSessionLog(mine)
    log.add(leaf(1))
    await log.close()
    appendFileSync(join(mine.folder, 'checkpoints.ndjson'), '{"size":2,"no')
    const again = openSessionLog(mine)
    again.add(leaf(2))
    await again.close()
    expect(verifyTree(mine.folder, { keys: trusted }).result).toMatchObject({ ok: true, records: 2 })
  })

  test('keeps its files as C2SP tlog-tiles names them', async () => {
    expect(tilePath(0, 0)).toBe('tile/0/000')
    expect(tilePath(2, 1234067)).toBe('tile/2/x001/x234/067')
    expect(tilePath('entries', 1000, 7)).toBe('tile/entries/x001/000.p/7')
    const mine = options()
    const log = openSessionLog(mine)
    for (let at = 0; at < 258; at++) log.add(leaf(at))
    await log.close()
    for (const name of [
      'tile/entries/000',
      'tile/0/000',
      'tile/0/001.p/2',
      'tile/1/000.p/1',
      'tile/entries/001.p/2',
    ])
      expect(existsSync(join(mine.folder, name)), name).toBe(true)
    expect(existsSync(join(mine.folder, 'tile/0/000.p'))).toBe(false)
  })
})

/** The hash of an entry as a stranger computes it, from the files that the checkpoint's readers get. */
function entryHash(folder: string, index: number, size: number): Buffer {
  const bundle = Math.floor(index / 256)
  const width = bundle < Math.floor(size / 256) ? 256 : size % 256
  const { entries } = decodeEntries(readFileSync(join(folder, tilePath('entries', bundle, width))))
  return leafHash(entries[index % 256] ?? Buffer.alloc(0))
}
