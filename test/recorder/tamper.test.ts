/** Whatever is changed in a recording, an audit log or a log of sessions is found. All of it, over more files, is `npm run soak -- tamper`. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { verifyTree } from '../../src/audit/tree/verify-tree.ts'
import { resultsOf } from '../../src/cli/verify.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { newFolder } from './support.ts'
import { flips, oneBit } from './tamper/changes.ts'
import { type Corpus, makeCorpus, makeTree } from './tamper/corpus.ts'
import { bytesOf, frameOffsets, lineOffsets } from './tamper/judge.ts'
import { type Report, tamperWithAudit, tamperWithRecording, tamperWithTree } from './tamper/tamper.ts'

let corpus: Corpus
let scratch: string
beforeAll(async () => {
  corpus = await makeCorpus()
  scratch = join(newFolder(), 'x.sallyport')
})

const kinds = ['plain', 'encrypted', 'rotated', 'sql', 'crashed'] as const

function expectAllFound({ tried, wrong }: Report, atLeast: number): void {
  expect(wrong.slice(0, 20)).toEqual([])
  expect(tried).toBeGreaterThan(atLeast)
}

describe('in a recording', () => {
  test.each(kinds)(
    '%s: every flip, cut, swap and double is found, and the first record that fails is named',
    kind => {
      const file = corpus.recordings[kind] ?? ''
      expectAllFound(tamperWithRecording(file, corpus.keys, { isExhaustive: false, step: 19 }), 400)
    },
  )
})

describe('in an audit log', () => {
  test('every flip, cut, swap and double in each of its files is found', () => {
    expect(corpus.auditFiles.length).toBeGreaterThan(2)
    for (const file of corpus.auditFiles)
      expectAllFound(
        tamperWithAudit(corpus.audit, corpus.auditFiles, file, corpus.keys, {
          isExhaustive: false,
          step: 11,
        }),
        100,
      )
  })
})

describe('in a log of sessions', () => {
  test.each([3, 300])(
    'of %i entries, every flip, cut, swap and double in each of its files is found',
    async entries => {
      const tree = await makeTree(entries)
      for (const file of tree.files) {
        const step = Math.max(1, Math.round(bytesOf(file).length / 15))
        const { wrong } = tamperWithTree(tree.folder, file, tree.key, { isExhaustive: false, step })
        expect(wrong.slice(0, 10)).toEqual([])
      }
    },
  )
})

describe('in a recording that is being written', () => {
  test('what a signature covers is proven, and of the rest it is said that it is not', () => {
    const bytes = bytesOf(corpus.live)
    const offsets = frameOffsets(bytes)
    const heads = offsets.flatMap((offset, index) =>
      bytes[offset + 4] === 3 ? [offsets[index + 1] ?? 0] : [],
    )
    const signedUpTo = Math.max(...heads)
    expect(signedUpTo).toBeGreaterThan(0)
    expect(signedUpTo).toBeLessThan(bytes.length)
    for (const { what, bytes: changed, at } of flips(bytes, oneBit, 5)) {
      writeFileSync(scratch, changed)
      const result = verifyRecording(scratch, corpus.keys)
      if (at < signedUpTo) expect(result.ok, what).toBe(false)
      else if (result.ok) expect(result.notes.join(), what).toContain('no signature covers them yet')
    }
  })

  test('a flip that nothing covered then fails once the session is sealed', () => {
    const [live, sealed] = [bytesOf(corpus.live), bytesOf(corpus.recordings['crashed'] ?? '')]
    expect(sealed.subarray(0, live.length).equals(live)).toBe(true) // it went on behind what was there
    const tampered = Buffer.from(sealed)
    const at = live.length - 1
    tampered[at] = (tampered[at] ?? 0) ^ 1
    writeFileSync(scratch, tampered)
    expect(verifyRecording(scratch, corpus.keys).ok).toBe(false)
  })
})

describe('what a file cannot say of its own end, the data folder tells', () => {
  const found = async () => {
    const trusted = { keys: corpus.keys, revoked: [], notes: [] }
    const results = await resultsOf([corpus.data], trusted)
    return results.flatMap(result => (result.ok ? [] : [result.reason]))
  }

  /** Does it to the data folder, looks, and undoes it. */
  async function after(
    file: string,
    change: (bytes: Buffer) => Buffer | undefined,
  ): Promise<readonly string[]> {
    const bytes = bytesOf(file)
    const changed = change(bytes)
    if (changed === undefined) rmSync(file)
    else writeFileSync(file, changed)
    try {
      return await found()
    } finally {
      writeFileSync(file, bytes)
    }
  }

  test('nothing, while nothing was changed', async () => expect(await found()).toEqual([]))

  test.each(kinds)('%s: a cut before its seal, at any record, and its removal', async kind => {
    const file = corpus.recordings[kind] ?? ''
    const bytes = bytesOf(file)
    const offsets = frameOffsets(bytes)
    const seal = offsets.findIndex(offset => bytes[offset + 4] === 4)
    for (const offset of offsets.slice(1, seal + 1))
      expect(await after(file, whole => whole.subarray(0, offset)), `cut at ${offset}`).toEqual([
        'the log says that this recording was sealed, and it has no seal: its end was cut off',
      ])
    const [missing] = await after(file, () => undefined)
    expect(missing).toMatch(/the log says that this session was opened at .* and its recording is missing/)
  })

  test('all recordings removed; of the log alone it is said that nobody looked', async () => {
    const trusted = { keys: corpus.keys, revoked: [], notes: [] }
    const aside = join(newFolder(), 'aside')
    cpSync(join(corpus.data, 'recordings'), aside, { recursive: true })
    rmSync(join(corpus.data, 'recordings'), { recursive: true })
    mkdirSync(join(corpus.data, 'recordings'))
    try {
      expect(await found()).toHaveLength(kinds.length)
      const [, about] = await resultsOf([corpus.log], trusted)
      expect(about).toMatchObject({ ok: true, notes: [expect.stringContaining('was not looked at')] })
    } finally {
      cpSync(aside, join(corpus.data, 'recordings'), { recursive: true })
    }
  })

  test('recordings that were exchanged', async () => {
    const [one, other] = [corpus.recordings['plain'] ?? '', corpus.recordings['sql'] ?? '']
    const bytes = bytesOf(other)
    const reasons = await after(one, whole => {
      writeFileSync(other, whole)
      return bytes
    })
    writeFileSync(other, bytes)
    expect(reasons.join()).toContain('the recording was replaced')
    expect(await found()).toEqual([])
  })

  test('an audit log cut at the end of any of its lines, and its newest files removed', async () => {
    const last = corpus.auditFiles.at(-1) ?? ''
    const bytes = bytesOf(last)
    const lines = lineOffsets(bytes)
    for (const offset of lines.slice(0, -2)) {
      const [reason] = await after(last, whole => whole.subarray(0, offset))
      expect(reason, `cut at ${offset}`).toMatch(
        /the log of sessions knows \d+ lines, and only \d+ are there/,
      )
    }
    const before = corpus.auditFiles.at(-2) ?? ''
    const kept = bytesOf(before)
    const reasons = await after(last, () => {
      rmSync(before)
      return undefined
    })
    writeFileSync(before, kept)
    expect(reasons.join()).toMatch(/the rest was removed|last line/)
  })

  test('a log of sessions whose newest entries were taken together with their checkpoints, if one checkpoint was kept', async () => {
    const { folder, key } = await makeTree(60)
    const kept = join(newFolder(), 'kept')
    writeFileSync(kept, bytesOf(join(folder, 'checkpoint')))
    const older = await makeTree(41)
    // The same entries, with fewer of them: another tree of the same log, as its operator could write it anew.
    expect(verifyTree(older.folder, { keys: [key, older.key], checkpoints: [kept] }).result).toMatchObject({
      ok: false,
      reason: expect.stringContaining('the rest was removed'),
    })
  })
})
