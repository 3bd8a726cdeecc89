import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openSessionLog, type SessionLog } from '../../src/audit/tree/session-log.ts'
import { verifyTree } from '../../src/audit/tree/verify-tree.ts'
import { anchorsOf } from '../../src/recorder/register.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { verifyPlaces } from '../../src/recorder/verify-places.ts'
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

const logSigner = newSigner()

function openLog(bench: Bench): SessionLog {
  const folder = join(dirname(bench.folder), 'log')
  const { clock } = bench
  return openSessionLog({
    folder,
    origin: 'bastion',
    signer: logSigner,
    clock,
    log: quiet,
    checkpointAfterMs: 1,
  })
}

/** A gateway that recorded these sessions and stopped. */
async function recorded(
  sessions: readonly string[],
  bench: Bench = newBench(),
): Promise<Bench & { files: string[] }> {
  const sessionLog = openLog(bench)
  const recorder = startRecorder(bench, { sessionLog })
  const files: string[] = []
  for (const session of sessions) {
    const recording = recorder.open(newGrant(), { session, protocol: 'ssh' })
    recording.record(output(`hello from ${session}`))
    await turn()
    await recording.seal('done')
    files.push(join(bench.folder, recording.path))
  }
  await recorder.close()
  await sessionLog.close()
  return { ...bench, files }
}

function placesOf(bench: Bench): ReturnType<typeof verifyPlaces> {
  const { result, leaves } = verifyTree(join(dirname(bench.folder), 'log'), {
    keys: [logSigner.publicKeyPem],
  })
  expect(result.ok).toBe(true)
  const names = readdirSync(bench.folder, { recursive: true, encoding: 'utf8' })
  const files = names.filter(name => name.endsWith('.sallyport')).map(name => join(bench.folder, name))
  return verifyPlaces(leaves, files)
}

describe('the log of sessions and the recordings', () => {
  test('a recording that was deleted is missed', async () => {
    const bench = await recorded(['one', 'two'])
    rmSync(bench.files[0] ?? '')
    expect(placesOf(bench).misplaced).toMatchObject([
      { file: 'one.sallyport', reason: expect.stringContaining('its recording is missing') },
    ])
  })

  test('a recording that was deleted while its session went on is missed', async () => {
    const bench = newBench()
    const sessionLog = openLog(bench)
    const recorder = startRecorder(bench, { sessionLog })
    const { path } = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    await sessionLog.checkpoint()
    rmSync(join(bench.folder, path))
    expect(placesOf(bench).misplaced).toHaveLength(1)
    await recorder.close()
    await sessionLog.close()
  })

  test('a recording that was replaced by another whole one of the same gateway is noticed', async () => {
    const bench = await recorded(['one', 'two'])
    const another = { ...newBench(), signer: bench.signer }
    another.clock.advance(1000)
    const other = await recorded(['one'], another)
    cpSync(other.files[0] ?? '', bench.files[0] ?? '')
    expect(placesOf(bench).misplaced).toHaveLength(1)
  })

  test('a recording whose end was cut off is noticed, although what is left is signed', async () => {
    const bench = await recorded(['one'])
    const file = bench.files[0] ?? ''
    const bytes = readFileSync(file)
    truncateSync(file, bytes.indexOf('{"chunks":0') + 100) // somewhere in the first head
    expect(placesOf(bench).misplaced).toEqual([
      { file, reason: expect.stringContaining('its end was cut off') },
    ])
  })

  test('a recording that the log does not know is noticed', async () => {
    const bench = await recorded(['one'])
    const other = await recorded(['two'], { ...newBench(), signer: bench.signer })
    cpSync(other.files[0] ?? '', join(dirname(bench.files[0] ?? ''), 'two.sallyport'))
    expect(placesOf(bench).misplaced).toEqual([
      {
        file: expect.stringContaining('two.sallyport'),
        reason: 'the log of sessions does not know this recording',
      },
    ])
  })

  test('recordings that are all there are found, and each proves its own place', async () => {
    const bench = await recorded(['one', 'two'])
    expect(placesOf(bench)).toEqual({ misplaced: [], notes: [], found: 2, removed: [] })
    const keys = [bench.signer.publicKeyPem, logSigner.publicKeyPem]
    expect(verifyRecording(bench.files[1] ?? '', keys)).toMatchObject({
      ok: true,
      sealed: true,
      notes: [
        expect.stringMatching(/^Its opening is entry \d in the log of bastion \(signed\)/),
        expect.stringMatching(/^Its seal is entry \d in the log of bastion \(signed\)/),
      ],
    })
  })

  test('the proof of another recording is refused', async () => {
    const bench = await recorded(['one', 'two'])
    const [one = '', two = ''] = bench.files.map(file => readFileSync(file, 'latin1'))
    const seal = anchorsOf(bench.files[0] ?? '').seal
    expect(seal).toBeDefined()
    const proofsFrom = (text: string): number => text.indexOf('{"of":"session-open"') - 40
    const forged = one.slice(0, proofsFrom(one)) + two.slice(proofsFrom(two))
    const file = join(newFolder(), 'one.sallyport')
    writeFileSync(file, forged, 'latin1')
    expect(verifyRecording(file, [bench.signer.publicKeyPem, logSigner.publicKeyPem]).ok).toBe(false)
  })

  test('what a crash kept from the log or from the recording is made up at the next start', async () => {
    const bench = newBench()
    const sessionLog = openLog(bench)
    const recorder = startRecorder(bench, { sessionLog })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record(output('seen'))
    await turn()
    await sessionLog.checkpoint()
    const root = newFolder()
    cpSync(dirname(bench.folder), root, { recursive: true, verbatimSymlinks: true }) // as a kill leaves it
    await recorder.close()
    await sessionLog.close()
    const killed = { ...bench, folder: join(root, 'recordings'), journalFolder: join(root, 'journal') }
    rmSync(join(root, 'log'), { recursive: true }) // and as if not even the opening had reached the log
    mkdirSync(join(root, 'log'))
    const again = openLog(killed)
    const next = startRecorder(killed, { sessionLog: again })
    const recovered = await next.recover()
    await next.close()
    await again.close()
    expect(recovered).toMatchObject([{ session: 'one', interrupted: true }])
    expect(placesOf(killed)).toMatchObject({ misplaced: [], found: 1 })
    const { proofs } = anchorsOf(join(killed.folder, recording.path))
    expect(proofs.map(({ of }) => of)).toEqual(['session-open', 'session-seal'])
    expect(readdirSync(join(killed.journalFolder, 'open'))).toEqual([])
  })

  test('half a proof that a power cut has left is written anew', async () => {
    const bench = await recorded(['one'])
    const file = bench.files[0] ?? ''
    const path = relative(bench.folder, file)
    truncateSync(file, statSync(file).size - 10)
    writeFileSync(join(bench.journalFolder, 'open', 'one'), path)
    const sessionLog = openLog(bench)
    const recorder = startRecorder(bench, { sessionLog })
    await recorder.recover()
    await recorder.close()
    await sessionLog.close()
    expect(verifyRecording(file, [bench.signer.publicKeyPem, logSigner.publicKeyPem])).toMatchObject({
      ok: true,
    })
    expect(anchorsOf(file).proofs).toHaveLength(2)
  })

  test('nothing is recorded where the log cannot be written', async () => {
    const bench = newBench()
    const sessionLog = openLog(bench)
    const recorder = startRecorder(bench, { sessionLog })
    await sessionLog.close()
    expect(() => recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })).toThrow(/cannot|closed/)
    expect(
      readdirSync(bench.folder, { recursive: true }).filter(name => String(name).endsWith('.sallyport')),
    ).toEqual([])
    await recorder.close()
  })
})
