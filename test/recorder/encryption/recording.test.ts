import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unlock } from '../../../src/recorder/encryption/auditor-key.ts'
import type { RecordedEvent } from '../../../src/recorder/event.ts'
import { exportRecording, screenText } from '../../../src/recorder/export.ts'
import { openIndex, readIndex } from '../../../src/recorder/keyframe.ts'
import { headerOf, readRecording } from '../../../src/recorder/reader.ts'
import { verifyRecording } from '../../../src/recorder/verify.ts'
import { type Bench, newBench, newFolder, newGrant, output, startRecorder, turn } from '../support.ts'
import {
  encryptedRecording,
  forged,
  newAuditor,
  type Piece,
  piecesOf,
  readWith,
  secretWord,
} from './support.ts'

const auditor = newAuditor()
const long = 'x'.repeat(40_000)

/** Some that compress, some that are short, some that do not fit into one chunk. */
const events: RecordedEvent[] = [
  { type: 'channel-open', channel: 0, kind: 'session' },
  { type: 'exec', channel: 0, command: Buffer.from(`echo ${secretWord}`) },
  ...Array.from({ length: 6 }, (_, i) => output(`${secretWord} ${i} ${long}`)),
  { type: 'exit-status', channel: 0, status: 0 },
]
const expected = [
  { type: 'channel-open', channel: 0, kind: 'session' },
  { type: 'exec', channel: 0, command: `echo ${secretWord}` },
  ...Array.from({ length: 6 }, (_, i) => `${secretWord} ${i} ${long}`).flatMap(text => [
    text.slice(0, 32_768),
    text.slice(32_768),
  ]),
  { type: 'exit-status', channel: 0, status: 0 },
  { type: 'end', reason: 'over' },
]

type Fields = {
  encryption: { key: { recipients: unknown[] } }
  principal: { name: string }
  openedAt: string
}

/** Of each file below a folder, also of what zstd would hide: the words are looked for in the bytes as they lie there. */
function bytesBelow(folder: string): Buffer {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => join(folder, name))
  return Buffer.concat(names.filter(name => statSync(name).isFile()).map(name => readFileSync(name)))
}

describe('an encrypted recording', () => {
  test('is never opened without a key, once recordings are to be encrypted', async () => {
    const recorder = startRecorder(newBench(), { encryptTo: () => [auditor.publicKey] })
    expect(() => recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })).toThrow('has no key')
    const key = await recorder.newKey()
    recorder.open(newGrant(), { session: 'one', protocol: 'ssh' }, key)
    expect(() => recorder.open(newGrant(), { session: 'two', protocol: 'ssh' }, key)).toThrow('used already')
    await recorder.close()
  })

  test.each(['P-256', 'X25519'] as const)('is read by its recipient and by nobody else (%s)', async curve => {
    const reader = newAuditor(curve)
    const { bench, file } = await encryptedRecording([reader], events)
    expect(await readWith(file, reader)).toEqual(expected)
    const stranger = newAuditor(curve)
    await expect(unlock(file, [stranger.privateKey])).rejects.toMatchObject({
      code: 'RECORDING_ENCRYPTED',
      userText: expect.stringContaining(reader.publicKey.kid),
    })
    const posing = { ...stranger.privateKey, kid: reader.publicKey.kid }
    await expect(unlock(file, [posing])).rejects.toMatchObject({ code: 'RECORDING_ENCRYPTED' })
    expect(bytesBelow(join(bench.folder, '..')).includes(secretWord)).toBe(false)
    expect(() => [...readRecording(file).events()]).toThrow(reader.publicKey.kid)
  })

  test('is read by each of several recipients', async () => {
    const readers = [newAuditor('P-256'), newAuditor('X25519'), newAuditor('P-256')]
    const { file } = await encryptedRecording(readers, events)
    for (const reader of readers) expect(await readWith(file, reader)).toEqual(expected)
  })

  test('has keys of its own: two of the same session are different bytes', async () => {
    const [one, two] = await Promise.all([
      encryptedRecording([auditor], events),
      encryptedRecording([auditor], events),
    ])
    const chunks = (file: string) => piecesOf(file).filter(({ kind }) => kind === 'chunk')
    expect(chunks(one.file)[0]?.body.subarray(40)).not.toEqual(chunks(two.file)[0]?.body.subarray(40))
    expect(headerOf(one.file).encryption?.key).not.toEqual(headerOf(two.file).encryption?.key)
  })

  test('verifies without a key to its content, and with one says that the content is right too', async () => {
    const { bench, file } = await encryptedRecording([auditor], events)
    expect(verifyRecording(file, bench.signer.publicKeyPem)).toMatchObject({
      ok: true,
      sealed: true,
      notes: [expect.stringContaining(`Encrypted to ${auditor.publicKey.kid}: the file is proven without`)],
    })
    const keys = await unlock(file, [auditor.privateKey])
    expect(verifyRecording(file, bench.signer.publicKeyPem, { keys })).toMatchObject({
      ok: true,
      notes: [expect.stringContaining('what it holds was checked')],
    })
  })

  test('leaves no index in the clear, and is exported and sought in with the key', async () => {
    const terminal: RecordedEvent[] = [
      { type: 'pty', channel: 0, term: 'xterm', columns: 80, rows: 24, widthPx: 0, heightPx: 0, modes: '' },
      { type: 'shell', channel: 0 },
      output(`$ echo ${secretWord}\r\n${secretWord}\r\n`),
      { type: 'typed', channel: 0, text: `echo ${secretWord}` },
    ]
    const { bench, file } = await encryptedRecording([auditor], terminal)
    const keys = await unlock(file, [auditor.privateKey])
    expect((await openIndex(file, { keys })).commands).toMatchObject([{ text: `echo ${secretWord}` }])
    await expect(openIndex(file)).rejects.toThrow(/encrypted/)
    expect(readIndex(file)).toBeUndefined()
    expect(await screenText(file, { keys })).toBe(`$ echo ${secretWord}\n${secretWord}\n`)
    await expect(screenText(file)).rejects.toMatchObject({ code: 'RECORDING_ENCRYPTED' })
    const pieces: string[] = []
    for await (const piece of exportRecording(file, 'json', undefined, { keys })) pieces.push(piece)
    expect(pieces.join('')).toContain(secretWord)
    expect(bytesBelow(join(bench.folder, '..')).includes(secretWord)).toBe(false)
  })

  test('new recipients are those of new recordings alone', async () => {
    const [before, after] = [newAuditor(), newAuditor('P-256')]
    const bench = newBench()
    let recipients = [before.publicKey]
    const recorder = startRecorder(bench, { encryptTo: () => recipients })
    const old = recorder.open(newGrant(), { session: 'old', protocol: 'ssh' }, await recorder.newKey())
    recipients = [after.publicKey]
    const young = recorder.open(newGrant(), { session: 'young', protocol: 'ssh' }, await recorder.newKey())
    recipients = []
    const open = recorder.open(newGrant(), { session: 'open', protocol: 'ssh' }, await recorder.newKey())
    for (const recording of [old, young, open]) recording.record(output('hello'))
    for (const recording of [old, young, open]) await recording.seal('over')
    await recorder.close()
    const said = ['hello', { type: 'end', reason: 'over' }]
    expect(await readWith(join(bench.folder, old.path), before)).toEqual(said)
    expect(await readWith(join(bench.folder, young.path), after)).toEqual(said)
    expect(await readWith(join(bench.folder, open.path))).toEqual(said)
    await expect(readWith(join(bench.folder, old.path), after)).rejects.toThrow(/encrypted/)
  })
})

/** A recording that a crash left in the journal, and recovery sealed: its events are sealed one by one. */
async function recovered(texts: readonly string[]): Promise<{ bench: Bench; file: string }> {
  const bench = newBench()
  const recorder = startRecorder(bench, { encryptTo: () => [auditor.publicKey] })
  const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' }, await recorder.newKey())
  for (const text of texts) recording.record(output(text))
  await turn()
  const to = newFolder()
  cpSync(join(bench.folder, '..'), to, { recursive: true })
  await recorder.close()
  const again = { ...bench, folder: join(to, 'recordings'), journalFolder: join(to, 'journal') }
  const next = startRecorder(again)
  await next.recover()
  await next.close()
  return { bench: again, file: join(again.folder, recording.path) }
}

describe('after a crash', () => {
  test.each([0, 3])(
    'what was journalled is copied sealed as it is, %i chunks after the first',
    async chunks => {
      const bench = newBench()
      const encryptTo = () => [auditor.publicKey]
      const recorder = startRecorder(bench, { encryptTo })
      const recording = recorder.open(
        newGrant(),
        { session: 'one', protocol: 'ssh' },
        await recorder.newKey(),
      )
      const said: string[] = []
      const say = (text: string) => {
        said.push(text)
        recording.record(output(text))
        bench.clock.advance(10)
      }
      for (let i = 0; i < chunks * 3; i++) say(`${secretWord} ${i} ${'y'.repeat(30_000)}`)
      await turn()
      while (recording.backlogBytes > 70_000) await turn()
      say(`${secretWord} at last`)
      say(`${secretWord} ${'z'.repeat(20_000)}`)
      await turn()
      const to = newFolder()
      cpSync(join(bench.folder, '..'), to, { recursive: true })
      await recorder.close()
      expect(bytesBelow(to).includes(secretWord)).toBe(false)

      const again = { ...bench, folder: join(to, 'recordings'), journalFolder: join(to, 'journal') }
      const next = startRecorder(again) // nobody to encrypt to any more: what was encrypted stays so
      expect(await next.recover()).toMatchObject([{ events: said.length, interrupted: true, notes: [] }])
      await next.close()
      expect(bytesBelow(to).includes(secretWord)).toBe(false)
      const file = join(again.folder, recording.path)
      expect(await readWith(file, auditor)).toEqual(said)
      expect(verifyRecording(file, bench.signer.publicKeyPem)).toMatchObject({ ok: true, sealed: true })
      const keys = await unlock(file, [auditor.privateKey])
      expect(verifyRecording(file, bench.signer.publicKeyPem, { keys })).toMatchObject({
        ok: true,
        sealed: true,
      })
      expect(readdirSync(again.journalFolder).filter(name => name.startsWith('journal-'))).toEqual([])
    },
  )

  test('a session that had ended is not called interrupted, though nobody here can read that it had', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench, { encryptTo: () => [auditor.publicKey] })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' }, await recorder.newKey())
    recording.record(output('hello'))
    const sealing = recording.seal('closed by the client')
    await turn()
    const to = newFolder()
    cpSync(join(bench.folder, '..'), to, { recursive: true })
    await sealing
    await recorder.close()
    const next = startRecorder({
      ...bench,
      folder: join(to, 'recordings'),
      journalFolder: join(to, 'journal'),
    })
    expect(await next.recover()).toMatchObject([{ events: 2, interrupted: false }])
    await next.close()
  })
})

describe('whoever has the key of the gateway and not that of an auditor', () => {
  const isSealed = ({ kind }: Piece) => kind === 'chunk'

  async function contentProblem(file: string, pem: string): Promise<string> {
    expect(verifyRecording(file, pem), 'the chain').toMatchObject({ ok: true })
    const keys = await unlock(file, [auditor.privateKey])
    const result = verifyRecording(file, pem, { keys })
    return result.ok ? 'found nothing' : result.reason
  }

  test('cannot swap two chunks', async () => {
    const { bench, file } = await encryptedRecording([auditor], events)
    const pieces = piecesOf(file)
    const [first = 0, second = 0] = pieces.flatMap((piece, at) => (isSealed(piece) ? [at] : []))
    const [one, two] = [pieces[first]?.body, pieces[second]?.body]
    if (one === undefined || two === undefined) throw new Error('too few chunks')
    // Each keeps the number and the fields of its place, or the counts would tell.
    const swapped = (place: Buffer, from: Buffer) => Buffer.concat([place.subarray(0, 40), from.subarray(40)])
    pieces[first] = { kind: 'chunk', body: swapped(one, two) }
    pieces[second] = { kind: 'chunk', body: swapped(two, one) }
    expect(await contentProblem(await forged(pieces, bench.signer), bench.signer.publicKeyPem)).toContain(
      'its tag is wrong',
    )
  })

  test("cannot put another recording's chunks or events in", async () => {
    const { bench, file } = await encryptedRecording([auditor], events)
    const other = await encryptedRecording([auditor], events, 'two')
    const theirs = piecesOf(other.file).filter(isSealed)
    const pieces = piecesOf(file).map(piece => (isSealed(piece) ? (theirs.shift() ?? piece) : piece))
    expect(await contentProblem(await forged(pieces, bench.signer), bench.signer.publicKeyPem)).toContain(
      'its tag is wrong',
    )
  })

  test('cannot change to whom it was encrypted, nor anything else in the header', async () => {
    const { bench, file } = await encryptedRecording([auditor, newAuditor('P-256')], events)
    const changes: ((header: Fields) => void)[] = [
      header => header.encryption.key.recipients.pop(),
      header => (header.principal.name = 'Somebody Else'),
      header => (header.openedAt = '2020-01-01T00:00:00.000Z'),
    ]
    for (const change of changes) {
      const pieces = piecesOf(file)
      const header = JSON.parse(pieces[0]?.body.toString() ?? '') as Fields
      change(header)
      pieces[0] = { kind: 'header', body: Buffer.from(JSON.stringify(header)) }
      expect(await contentProblem(await forged(pieces, bench.signer), bench.signer.publicKeyPem)).toContain(
        'its tag is wrong',
      )
    }
  })

  test('cannot cut a tag, change one bit, or lie about the fields of a chunk', async () => {
    const { bench, file } = await encryptedRecording([auditor], events)
    const at = piecesOf(file).findIndex(isSealed)
    const changes: ((body: Buffer) => Buffer)[] = [
      body => body.subarray(0, -1),
      body => body.subarray(0, -12),
      body => Buffer.from(body.map((byte, i) => (i === body.length - 1 ? byte ^ 1 : byte))),
      body => Buffer.from(body.map((byte, i) => (i === 60 ? byte ^ 128 : byte))),
      body => Buffer.from(body.map((byte, i) => (i === 4 ? byte ^ 1 : byte))), // codec
      body => Buffer.from(body.map((byte, i) => (i === 31 ? byte ^ 1 : byte))), // time of the first event
    ]
    for (const [index, change] of changes.entries()) {
      const pieces = piecesOf(file)
      pieces[at] = { kind: 'chunk', body: change(pieces[at]?.body ?? Buffer.alloc(0)) }
      const changed = await forged(pieces, bench.signer)
      const keys = await unlock(changed, [auditor.privateKey])
      expect(verifyRecording(changed, bench.signer.publicKeyPem, { keys }), `change ${index}`).toMatchObject({
        ok: false,
        record: at,
      })
    }
  })

  test('cannot swap, drop, cut or change events that were sealed one by one', async () => {
    const { bench, file } = await recovered(['first', 'later', 'third'])
    const at = piecesOf(file).findIndex(isSealed)
    const record = (body: Buffer, number: number) => {
      const length = 4 + body.readUInt32BE(40)
      return body.subarray(40 + number * length, 40 + (number + 1) * length)
    }
    const rebuilt = (body: Buffer, numbers: readonly number[]) =>
      Buffer.concat([body.subarray(0, 40), ...numbers.map(number => record(body, number))])
    const changes: [string, (body: Buffer) => Buffer][] = [
      ['its tag is wrong', body => rebuilt(body, [1, 0, 2])],
      ['its tag is wrong', body => rebuilt(body, [0, 0, 2])],
      ['holds other events', body => rebuilt(body, [0, 1])],
      ['a sealed event is cut', body => body.subarray(0, -1)],
      ['its tag is wrong', body => Buffer.from(body.map((byte, i) => (i === 50 ? byte ^ 1 : byte)))],
    ]
    expect((await readWith(file, auditor)).slice(0, 3)).toEqual(['first', 'later', 'third'])
    for (const [reason, change] of changes) {
      const pieces = piecesOf(file)
      pieces[at] = { kind: 'chunk', body: change(pieces[at]?.body ?? Buffer.alloc(0)) }
      const changed = await forged(pieces, bench.signer)
      const keys = await unlock(changed, [auditor.privateKey])
      const withKey = verifyRecording(changed, bench.signer.publicKeyPem, { keys })
      const without = verifyRecording(changed, bench.signer.publicKeyPem)
      expect(withKey, reason).toMatchObject({ ok: false, record: at })
      if (reason === 'its tag is wrong')
        expect(withKey).toMatchObject({ reason: expect.stringContaining(reason) })
      else expect(without).toMatchObject({ ok: false, record: at, reason: expect.stringContaining(reason) })
    }
  })

  test('cannot add a chunk in the clear to an encrypted recording, nor a sealed one to a clear one', async () => {
    const { bench, file } = await encryptedRecording([auditor], [output('a')])
    const clear = newBench()
    const recorder = startRecorder(clear)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record(output('a'))
    await recording.seal('over')
    await recorder.close()
    const [sealed, open] = [piecesOf(file), piecesOf(join(clear.folder, recording.path))]
    const mixed = (pieces: Piece[], from: Piece[]) =>
      pieces.map(piece => (isSealed(piece) ? (from.find(isSealed) ?? piece) : piece))
    for (const pieces of [mixed(sealed, open), mixed(open, sealed)])
      expect(verifyRecording(await forged(pieces, bench.signer), bench.signer.publicKeyPem)).toMatchObject({
        ok: false,
        reason: expect.stringContaining('encrypted'),
      })
  })
})
