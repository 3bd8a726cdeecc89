import { cpSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readSegment } from '../../src/recorder/journal-reader.ts'
import { Packer } from '../../src/recorder/pack.ts'
import { appendAllAsync } from '../../src/recorder/append-async.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import {
  type Bench,
  newBench,
  newFolder,
  newGrant,
  output,
  readBack,
  startRecorder,
  turn,
} from './support.ts'

const packer = new Packer()
afterAll(() => packer.close())

/** A gateway that was killed: its folders as they were while two sessions went on, some of their events in chunks already. */
async function killedGateway(
  sessions: readonly string[] = ['one', 'two'],
): Promise<Bench & { files: string[] }> {
  const bench = newBench()
  const recorder = startRecorder(bench, { packer })
  const recordings = sessions.map(session => recorder.open(newGrant(), { session, protocol: 'ssh' }))
  for (let i = 0; i < 24; i++) {
    for (const recording of recordings)
      recording.record(output(`${recording.session} ${i} ${'x'.repeat(i * 500)}`))
    bench.clock.advance(100)
    if (i % 3 === 0) await turn()
  }
  await turn()
  while (recordings.some(recording => recording.backlogBytes > 70_000)) await turn()
  const killed = { ...bench, ...copyOf(bench) }
  await recorder.close()
  return { ...killed, files: recordings.map(recording => recording.path) }
}

function copyOf(bench: { folder: string; journalFolder: string }): { folder: string; journalFolder: string } {
  const to = newFolder()
  cpSync(bench.folder, join(to, 'recordings'), { recursive: true })
  cpSync(bench.journalFolder, join(to, 'journal'), {
    recursive: true,
    filter: from => basename(from) !== 'spare',
  })
  return { folder: join(to, 'recordings'), journalFolder: join(to, 'journal') }
}

const segmentOf = (bench: { journalFolder: string }) => join(bench.journalFolder, 'journal-0000000001')

/** Up to where a segment was written to; the rest of it is room. */
function bytesIn(segment: string): number {
  const bytes = readFileSync(segment)
  return bytes.findLastIndex(byte => byte !== 0) + 1
}

/** How many events of a session the journal holds. */
function journalled(bench: Bench, session: string): number {
  const events = readSegment(segmentOf(bench))
  let last = 0
  for (const event of events) if (event.session === session) last = event.sequence
  return last
}

function expected(session: string, events: number): unknown[] {
  return Array.from({ length: events }, (_, i) => ({
    type: 'output',
    channel: 0,
    data: Buffer.from(`${session} ${i} ${'x'.repeat(i * 500)}`).toString('hex'),
  }))
}

function said(file: string): unknown[] {
  return readBack(file).map(event => event.said)
}

/** Each in turn, and the ends. */
function sampled(length: number, count: number): number[] {
  return [
    ...new Set([
      ...Array.from({ length: count }, (_, i) => Math.floor((i * length) / count)),
      length - 1,
      length,
    ]),
  ]
}

describe('after a crash', () => {
  test('all journalled events are in the recording, which is sealed as interrupted', async () => {
    const bench = await killedGateway()
    const recorder = startRecorder(bench, { packer })
    const recovered = await recorder.recover()
    expect(recovered).toEqual(
      ['one', 'two'].map(session => ({
        session,
        openedAtMs: Date.parse('2026-11-21T14:00:00Z'),
        path: `2026/11/21/${session}.sallyport`,
        events: 24,
        endedAtMs: Date.parse('2026-11-21T14:00:02.300Z'),
        interrupted: true,
        notes: [],
      })),
    )
    for (const { session, path } of recovered) {
      expect(said(join(bench.folder, path))).toEqual(expected(session, 24))
      expect(verifyRecording(join(bench.folder, path), bench.signer.publicKeyPem)).toEqual({
        ok: true,
        kind: 'recording',
        session,
        records: expect.any(Number),
        sealed: true,
        signedBy: [bench.signer.keyId],
        notes: ['Interrupted: The gateway stopped before this session ended.'],
      })
    }
    await recorder.close()
    expect(readdirSync(bench.journalFolder).toSorted()).toEqual(['open', 'spare'])
    expect(readdirSync(join(bench.journalFolder, 'open'))).toEqual([])
  })

  test('the recording verifies and plays before any recovery', async () => {
    const bench = await killedGateway()
    const file = join(bench.folder, bench.files[0] ?? '')
    expect(verifyRecording(file, bench.signer.publicKeyPem)).toMatchObject({ ok: true, sealed: false })
    expect(said(file)).toEqual(expected('one', said(file).length))
  })

  test('wherever journal and recording were cut, a prefix reads back that holds all that was journalled', async () => {
    const killed = await killedGateway(['one'])
    const [path = ''] = killed.files
    const journalBytes = bytesIn(segmentOf(killed))
    const fileBytes = statSync(join(killed.folder, path)).size
    const headerBytes = 12 + 40 + readFileSync(join(killed.folder, path)).readUInt32BE(12)
    const cuts = [
      ...sampled(journalBytes, 20).map(journal => ({ journal, file: fileBytes })),
      ...sampled(fileBytes - headerBytes, 20).map(file => ({
        journal: journalBytes,
        file: headerBytes + file,
      })),
      ...sampled(journalBytes, 10).map(journal => ({
        journal,
        file: headerBytes + Math.floor((fileBytes - headerBytes) / 2),
      })),
    ]
    for (const cut of cuts) {
      const bench = { ...killed, ...copyOf(killed) }
      const file = join(bench.folder, path)
      truncateSync(segmentOf(bench), cut.journal)
      truncateSync(file, cut.file)
      const inFile = said(file).length
      const wanted = Math.max(inFile, journalled(bench, 'one'))
      const recorder = startRecorder(bench, { packer })
      await recorder.recover()
      expect(said(file), JSON.stringify(cut)).toEqual(expected('one', wanted))
      expect(verifyRecording(file, bench.signer.publicKeyPem), JSON.stringify(cut)).toMatchObject({
        ok: true,
        sealed: true,
      })
      await recorder.close()
    }
  })

  test('a recovery that is killed at any write is finished by the next start', async () => {
    const killed = await killedGateway()
    for (let survived = 0; ; survived++) {
      const bench = { ...killed, ...copyOf(killed) }
      let writes = 0
      const dying = startRecorder(bench, {
        packer,
        appendAsync: async (fd, parts) => {
          const bytes = Buffer.concat(parts)
          if (writes++ < survived) return appendAllAsync(fd, parts)
          await appendAllAsync(fd, [bytes.subarray(0, bytes.length / 2)])
          throw new Error('killed')
        },
      })
      const hasDied = await dying.recover().then(
        () => false,
        () => true,
      )
      const recorder = startRecorder(bench, { packer })
      const recovered = await recorder.recover()
      expect(recovered.map(({ session }) => session)).toEqual(hasDied ? expect.arrayContaining(['two']) : [])
      for (const [i, path] of bench.files.entries()) {
        expect(said(join(bench.folder, path))).toEqual(expected(i === 0 ? 'one' : 'two', 24))
        expect(verifyRecording(join(bench.folder, path), bench.signer.publicKeyPem)).toMatchObject({
          ok: true,
          sealed: true,
        })
      }
      await recorder.close()
      if (!hasDied) break
    }
  })

  test('a session that had ended is sealed with its own reason', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench, {
      packer,
      signer: { ...bench.signer, sign: () => Promise.reject(new Error('agent is away')) },
    })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record(output('x'))
    await expect(recording.seal('the client left')).rejects.toThrow()
    await recorder.close()
    const next = startRecorder(bench, { packer })
    expect(await next.recover()).toMatchObject([{ session: 'one', events: 2, interrupted: false }])
    const result = verifyRecording(join(bench.folder, recording.path), bench.signer.publicKeyPem)
    expect(result).toMatchObject({ ok: true, sealed: true, notes: [] })
    await next.close()
  })

  test('a journal that was changed in its middle is reported and kept, and what came before it is saved', async () => {
    const bench = await killedGateway()
    const bytes = readFileSync(segmentOf(bench))
    const at = bytes.indexOf('one 23 ')
    bytes[at] = 0x58
    writeFileSync(segmentOf(bench), bytes)
    const recorder = startRecorder(bench, { packer })
    const [recovered] = await recorder.recover()
    expect(recovered).toMatchObject({
      session: 'one',
      events: 23,
      notes: ['The journal is damaged (a checksum is wrong): events may be missing.'],
    })
    expect(readdirSync(join(bench.journalFolder, 'lost'))).toHaveLength(1)
    const verified = verifyRecording(join(bench.folder, bench.files[0] ?? ''))
    expect(verified).toMatchObject({
      ok: true,
      notes: expect.arrayContaining(['The journal is damaged (a checksum is wrong): events may be missing.']),
    })
    await recorder.close()
  })

  test('a recording that was changed is cut where the change is, and the damaged part is kept beside it', async () => {
    const bench = await killedGateway()
    const file = join(bench.folder, bench.files[0] ?? '')
    const bytes = readFileSync(file)
    const at = bytes.length - 20
    bytes[at] = (bytes[at] ?? 0) ^ 1
    writeFileSync(file, bytes)
    const recorder = startRecorder(bench, { packer })
    const [recovered] = await recorder.recover()
    expect(recovered?.notes[0]).toMatch(/damaged from byte/)
    expect(said(file)).toEqual(expected('one', 24)) // the journal still had them
    const aside = readdirSync(join(bench.folder, '2026/11/21')).filter(name => name.includes('.damaged-'))
    expect(aside).toHaveLength(1)
    await recorder.close()
  })

  test('killed before the header was written, it leaves no recording and nothing else', async () => {
    const bench = newBench()
    const seen: (readonly string[])[] = []
    const killed: { folder: string; journalFolder: string }[] = []
    const recorder = startRecorder(bench, {
      packer,
      append: () => {
        seen.push(readdirSync(bench.folder, { recursive: true, encoding: 'utf8' }))
        killed.push(copyOf(bench))
        throw new Error('killed')
      },
    })
    expect(() => recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })).toThrow()
    await recorder.close()
    expect(seen.flat().filter(name => name.endsWith('.sallyport'))).toEqual([])
    const next = startRecorder({ ...bench, ...killed[0] }, { packer })
    expect(await next.recover()).toEqual([])
    await next.close()
    const left = readdirSync(killed[0]?.folder ?? '', { recursive: true, encoding: 'utf8' })
    expect(left.filter(name => name.includes('one'))).toEqual([])
  })

  test('a recording without a whole header is put aside, and a note without a recording goes', async () => {
    const bench = await killedGateway()
    const file = join(bench.folder, bench.files[0] ?? '')
    truncateSync(file, 100)
    writeFileSync(join(bench.journalFolder, 'open', 'three'), '2026/11/21/three.sallyport')
    const recorder = startRecorder(bench, { packer })
    expect((await recorder.recover()).map(({ session }) => session)).toEqual(['two'])
    expect(existsSync(`${file}.unreadable`)).toBe(true)
    expect(readdirSync(join(bench.journalFolder, 'open'))).toEqual([])
    await recorder.close()
  })

  test('sessions of this process are left alone', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench, { packer })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record(output('x'))
    expect(await recorder.recover()).toEqual([])
    await recording.seal('over')
    expect(said(join(bench.folder, recording.path))).toHaveLength(2)
    await recorder.close()
  })
})
