import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writevSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import type { AppendSync } from '../../src/model.ts'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { maxBacklogBytes } from '../../src/recorder/backlog.ts'
import { newBench, newGrant, output, readBack, startRecorder, turn } from './support.ts'

/** Appends until told to fail as a full disk does. */
function failingAppend(): { append: AppendSync; fail: () => void } {
  let isFull = false
  const append: AppendSync = (fd, parts) => {
    if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    writevSync(fd, parts)
  }
  return { append, fail: () => (isFull = true) }
}

function progress(stream: 'input' | 'output', bytes: number): RecordedEvent {
  return { type: 'progress', channel: 1, stream, bytes, from: 0, sha256: 'ab'.repeat(32) }
}

describe('record, then forward', () => {
  test('an append that fails ends every recording and nothing of that turn or later is sent', async () => {
    const bench = newBench()
    const disk = failingAppend()
    const recorder = startRecorder(bench, { append: disk.append })
    const one = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const two = recorder.open(newGrant(), { session: 'two', protocol: 'ssh' })
    const sent: string[] = []
    const faults: Fault[] = []
    one.onFailure(fault => faults.push(fault))
    two.onFailure(fault => faults.push(fault))
    disk.fail()
    one.record(output('secret'))
    one.forward(() => sent.push('one'))
    two.forward(() => sent.push('two'))
    await turn()
    one.record(output('later'))
    one.forward(() => sent.push('later'))
    await turn()
    expect(sent).toEqual([])
    expect(faults.map(fault => fault.code)).toEqual(['RECORDING_APPEND_FAILED', 'RECORDING_APPEND_FAILED'])
    expect(faults[0]?.userText).toBe(
      "The recording cannot be written, so this session ends. Ask the operator to look at the gateway's disk.",
    )
    expect(recorder.failure?.code).toBe('RECORDING_APPEND_FAILED')
    expect(() => recorder.open(newGrant(), { session: 'three', protocol: 'ssh' })).toThrow(Fault)
    await expect(one.seal('over')).rejects.toThrow(Fault)
  })

  test('who asks after the failure hears of it too', async () => {
    const disk = failingAppend()
    const recorder = startRecorder(newBench(), { append: disk.append })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    disk.fail()
    recording.record(output('x'))
    await turn()
    const fault = await new Promise<Fault>(resolve => recording.onFailure(resolve))
    expect(fault.code).toBe('RECORDING_APPEND_FAILED')
  })

  test('a chunk that cannot be written ends every recording', async () => {
    const recorder = startRecorder(newBench(), {
      appendAsync: async () => {
        throw new Error('EIO: i/o error')
      },
    })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const fault = await new Promise<Fault>(resolve => recording.onFailure(resolve))
    expect(fault.code).toBe('RECORDING_APPEND_FAILED')
    const sent: string[] = []
    recording.record(output('x'))
    recording.forward(() => sent.push('x'))
    await turn()
    expect(sent).toEqual([])
  })

  test('a folder of recordings that was replaced ends every recording, and nothing is written into the other one', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    renameSync(bench.folder, `${bench.folder}.away`)
    mkdirSync(bench.folder)
    expect(() => recorder.open(newGrant(), { session: 'two', protocol: 'ssh' })).toThrow(
      'was a volume unmounted?',
    )
    const fault = await new Promise<Fault>(resolve => recording.onFailure(resolve))
    expect(fault.message).toContain('was a volume unmounted?')
    expect(readdirSync(bench.folder)).toEqual([])
    await recorder.close()
  })

  test('a recording says how much it holds, whatever became of it', async () => {
    const recorder = startRecorder(newBench())
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const before = recording.recordedBytes
    for (let i = 0; i < 20; i++) {
      recording.record(output(Buffer.alloc(100_000)))
      await recording.whenDrained()
    }
    expect(recording.recordedBytes - before).toBeGreaterThan(2_000_000)
    await recording.seal('done')
    expect(recording.recordedBytes - before).toBeLessThan(2_010_000)
    await recorder.close()
  })

  test('a header that cannot be written opens no recording and leaves nothing behind', () => {
    const bench = newBench()
    const disk = failingAppend()
    const recorder = startRecorder(bench, { append: disk.append })
    disk.fail()
    expect(() => recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })).toThrow(Fault)
    expect(readdirSync(join(bench.journalFolder, 'open'))).toEqual([])
  })

  test('events are in the journal when the sends of their turn run', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const journalled: boolean[] = []
    const large = Buffer.alloc(5000, 'L')
    recording.record(output('small words'))
    recording.record(output(large))
    recording.forward(() => {
      const bytes = readFileSync(join(bench.journalFolder, 'journal-0000000001'))
      journalled.push(bytes.includes('small words') && bytes.includes(large))
    })
    expect(journalled).toEqual([])
    await turn()
    expect(journalled).toEqual([true])
    await recording.seal('over')
    await recorder.close()
  })

  test('descriptions of a stream are told once a turn, the last one, and before any send', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const journal = (): string => readFileSync(join(bench.journalFolder, 'journal-0000000001'), 'latin1')
    const journalled: string[][] = []
    for (const bytes of [10, 20, 30]) {
      recording.record(progress('output', bytes))
      recording.record(progress('input', bytes + 1))
      recording.forward(() => journalled.push(journal().match(/"bytes":\d+/g) ?? []))
    }
    await turn()
    const once = ['"bytes":30', '"bytes":31']
    expect(journalled).toEqual([once, once, once])
    recording.record(progress('output', 40))
    await turn()
    expect(journal().match(/"bytes":\d+/g)).toEqual([...once, '"bytes":40'])
    await recording.seal('over')
    await recorder.close()
  })

  test('a description comes before whatever happens after it in the same turn, the end included', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record(progress('output', 10))
    recording.record({ type: 'end-of-output', channel: 1 })
    recording.record(progress('output', 20))
    await recording.seal('over')
    await recorder.close()
    const said = readBack(join(bench.folder, recording.path)).map(({ said }) => said)
    expect(said).toMatchObject([
      { type: 'progress', bytes: 10 },
      { type: 'end-of-output' },
      { type: 'progress', bytes: 20 },
      { type: 'end' },
    ])
  })

  test('sends run in their order, and one that throws does not keep the others', async () => {
    const recorder = startRecorder(newBench())
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const sent: number[] = []
    recording.forward(() => sent.push(1))
    recording.forward(() => {
      throw new Error('socket is gone')
    })
    recording.forward(() => sent.push(2))
    await turn()
    expect(sent).toEqual([1, 2])
  })

  test('one append carries the events of all recordings of a turn', async () => {
    let appends = 0
    const recorder = startRecorder(newBench(), {
      append: (fd, parts) => {
        appends++
        writevSync(fd, parts)
      },
    })
    const recordings = ['a', 'b', 'c'].map(session => recorder.open(newGrant(), { session, protocol: 'ssh' }))
    for (const recording of recordings) recording.record(output('first'))
    await turn()
    appends = 0
    for (const recording of recordings) for (let i = 0; i < 100; i++) recording.record(output('again'))
    await turn()
    expect(appends).toBe(1)
  })

  test('a turn of many megabytes is appended in pieces and still sends only at its end', async () => {
    const sizes: number[] = []
    const recorder = startRecorder(newBench(), {
      append: (fd, parts) => {
        sizes.push(parts.reduce((sum, part) => sum + part.byteLength, 0))
        writevSync(fd, parts)
      },
    })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const sent: string[] = []
    recording.forward(() => sent.push('x'))
    for (let i = 0; i < 100; i++) recording.record(output(Buffer.alloc(32 * 1024, i)))
    for (let i = 0; i < 10_000; i++) recording.record(output('small'))
    expect(sent).toEqual([])
    expect(Math.max(...sizes)).toBeLessThan(1.2 * 1024 * 1024)
    await turn()
    expect(sent).toEqual(['x'])
    await recording.seal('over')
  })

  test('after the seal nothing is recorded and nothing forwarded', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const sent: string[] = []
    const sealed = recording.seal('over')
    recording.record(output('late'))
    recording.forward(() => sent.push('late'))
    await sealed
    expect(sent).toEqual([])
    expect(readBack(join(bench.folder, recording.path)).map(event => event.said)).toEqual([
      { type: 'end', reason: 'over' },
    ])
  })
})

describe('a recording', () => {
  test('a session id that could lead out of the folder is refused', () => {
    const recorder = startRecorder(newBench())
    for (const session of ['', '../x', 'a/b', 'a.b', 'a b', 'x'.repeat(65), 'a\0']) {
      expect(() => recorder.open(newGrant(), { session, protocol: 'ssh' })).toThrow(TypeError)
    }
  })

  test('a session is recorded once', () => {
    const recorder = startRecorder(newBench())
    recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    expect(() => recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })).toThrow(TypeError)
  })

  test('an event beyond its limit is refused', () => {
    const recorder = startRecorder(newBench())
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    expect(() =>
      recording.record({ type: 'exec', channel: 0, command: Buffer.alloc(1024 * 1024, 'x') }),
    ).toThrow(TypeError)
  })

  test('every event comes back as it was, with its offset, and commands that are no text keep their bytes', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record({ type: 'channel-open', channel: 3, kind: 'session' })
    bench.clock.advance(1500)
    recording.record({ type: 'exec', channel: 3, command: Buffer.from('echo \xff', 'latin1') })
    recording.record({ type: 'exec', channel: 3, command: Buffer.from('echo ÿ') })
    recording.record({ type: 'output', channel: 3, data: Buffer.from([0, 255, 10]) })
    bench.clock.us -= 1_000_000 // a clock that goes back does not take time with it
    recording.record({ type: 'exit-status', channel: 3, status: 0 })
    await recording.seal('the client closed the connection')
    expect(readBack(join(bench.folder, recording.path))).toEqual([
      { sequence: 1, us: 0, said: { type: 'channel-open', channel: 3, kind: 'session' } },
      { sequence: 2, us: 1_500_000, said: { type: 'exec', channel: 3, commandBase64: 'ZWNobyD/' } },
      { sequence: 3, us: 1_500_000, said: { type: 'exec', channel: 3, command: 'echo ÿ' } },
      { sequence: 4, us: 1_500_000, said: { type: 'output', channel: 3, data: '00ff0a' } },
      { sequence: 5, us: 1_500_000, said: { type: 'exit-status', channel: 3, status: 0 } },
      { sequence: 6, us: 1_500_000, said: { type: 'end', reason: 'the client closed the connection' } },
    ])
  })

  test('its header says who, where, as whom and with which key', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    await recording.seal('over')
    const reader = readRecording(join(bench.folder, recording.path))
    expect(reader.header).toEqual({
      format: 'sallyport recording',
      version: 1,
      session: 'one',
      protocol: 'ssh',
      gateway: 'bastion.example.com',
      principal: {
        issuer: 'https://login.example.com',
        subject: 'u-1',
        name: 'Ada Example',
        email: 'ada@example.com',
      },
      target: { name: 'web1', host: '10.0.0.5', port: 22, labels: { env: 'prod' } },
      login: 'root',
      role: 'admin',
      why: { reason: null, ticket: null },
      sourceAddress: '192.0.2.7',
      openedAt: '2026-11-21T14:00:00.000Z',
      signing: { algorithm: 'ed25519', keyId: bench.signer.keyId, publicKey: bench.signer.publicKeyPem },
      encryption: null,
      input: 'echoed',
    })
    reader.close()
    expect(recording.path).toBe('2026/11/21/one.sallyport')
  })

  test('nobody else may read recordings and journal', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record(output('x'))
    await turn()
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
    expect(mode(join(bench.folder, recording.path))).toBe('600')
    expect(mode(join(bench.folder, '2026/11'))).toBe('700')
    expect(mode(bench.journalFolder)).toBe('700')
    expect(mode(join(bench.journalFolder, 'journal-0000000001'))).toBe('600')
    chmodSync(bench.journalFolder, 0o755)
    startRecorder(bench)
    expect(mode(bench.journalFolder)).toBe('700')
  })

  test('a live recording can be read up to its last chunk', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    for (let i = 0; i < 10; i++) recording.record(output(Buffer.alloc(30_000, i)))
    await turn()
    await recorder.close() // as a gateway that ends without sealing
    const reader = readRecording(join(bench.folder, recording.path))
    expect([...reader.events()]).toHaveLength(10)
    expect(reader.end).toMatchObject({ kind: 'open', tornBytes: 0 })
    reader.close()
  })
})

describe('back-pressure', () => {
  test('the backlog counts what is not in the file, and drains', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench)
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    await recording.whenDrained()
    const data = Buffer.alloc(32 * 1024)
    while (recording.backlogBytes <= maxBacklogBytes) recording.record(output(data))
    await recording.whenDrained()
    expect(recording.backlogBytes).toBeLessThanOrEqual(maxBacklogBytes / 2)
    await recording.seal('over')
    expect(recording.backlogBytes).toBe(0)
  })

  test('a journal segment goes when its events are in their recordings', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench, { segmentBytes: 100_000 })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    for (let i = 0; i < 50; i++) {
      recording.record(output(Buffer.alloc(20_000, i)))
      await turn()
    }
    await recording.seal('over')
    expect(readdirSync(bench.journalFolder).filter(name => name.startsWith('journal-'))).toHaveLength(1)
    await recorder.close()
    expect(readdirSync(bench.journalFolder).toSorted()).toEqual(['open', 'spare'])
    expect(readdirSync(join(bench.journalFolder, 'open'))).toEqual([])
    expect(existsSync(join(bench.folder, recording.path))).toBe(true)
    const back = readBack(join(bench.folder, recording.path))
    expect(back).toHaveLength(51)
  })
})
