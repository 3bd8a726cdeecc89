/** A disk that fills up: what gives way, and what waits until there is room again. On a real disk of a few megabytes where one may be mounted. */
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync, openSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { appendAsking } from '../../src/audit/append.ts'
import type { Fault } from '../../src/errors.ts'
import { appendingAsync } from '../../src/recorder/append-async.ts'
import { reserveFile, Room } from '../../src/recorder/room.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { cannotMount, fill, mountSmall } from '../support/disk/mounted.ts'
import { newBench, newFolder, newGrant, output, quiet, startRecorder, turn } from './support.ts'

const mebibyte = 1024 * 1024

function startRoom(folders: readonly string[], bytes = mebibyte): Room {
  const room = new Room({ folders, bytes, log: quiet, retryMs: 20 })
  onTestFinished(() => room.close())
  return room
}

async function ready(folder: string): Promise<void> {
  const file = join(folder, reserveFile)
  await expect.poll(() => existsSync(file) && statSync(file).size).toBe(mebibyte)
}

test('the reserve is there from the start, one on each disk, and given back once', async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'recordings'))
  const room = startRoom([folder, join(folder, 'recordings')])
  await ready(folder)
  expect(existsSync(join(folder, 'recordings', reserveFile))).toBe(false)
  room.takeOnlyIf(() => false)
  expect(room.make()).toBe(true)
  expect(existsSync(join(folder, reserveFile))).toBe(false)
  expect(room.make()).toBe(false)
})

test('from then on sessions are refused with a sentence, and those that are open hear another', async () => {
  const folder = newFolder()
  const room = startRoom([folder])
  const heard: Fault[] = []
  room.onShortage(fault => heard.push(fault))
  room.takeOnlyIf(() => false)
  room.make()
  expect(heard).toEqual([]) // not from within the append that found out
  await expect.poll(() => heard.length).toBe(1)
  expect(heard[0]?.userText).toContain('this session ends')
  expect(room.shortage?.userText).toContain('no session can be opened')
  expect(room.shortage?.code).toBe('DISK_FULL')
})

test('the reserve comes back as soon as nothing is open that needs the room, and sessions are opened again', async () => {
  const folder = newFolder()
  const room = startRoom([folder])
  await ready(folder)
  let isIdle = false
  room.takeOnlyIf(() => isIdle)
  room.make()
  await new Promise(resolve => setTimeout(resolve, 100))
  expect(existsSync(join(folder, reserveFile))).toBe(false)
  isIdle = true
  await expect.poll(() => room.shortage).toBe(undefined)
  await ready(folder)
})

test('nothing is kept if nothing is wanted, and a full disk still shows', () => {
  const folder = newFolder()
  const room = startRoom([folder], 0)
  room.takeOnlyIf(() => false)
  expect(room.make()).toBe(false)
  expect(room.shortage).toBeDefined()
  expect(existsSync(join(folder, reserveFile))).toBe(false)
})

describe.skipIf(cannotMount() !== undefined)('on a disk of a few megabytes', () => {
  function smallDisk(mib: number): string {
    const folder = newFolder()
    const mounted = mountSmall(folder, mib)
    onTestFinished(() => mounted.remove())
    return folder
  }

  test('both ways of appending go on where they were once the reserve was given back', async () => {
    const folder = smallDisk(4)
    const room = startRoom([folder])
    await ready(folder)
    const fd = openSync(join(folder, 'file'), 'w')
    fill(folder)
    const part = Buffer.alloc(300_000, 7)
    appendAsking(room.make)(fd, [part, part])
    await appendingAsync(room.make)(fd, [part])
    expect(statSync(join(folder, 'file')).size).toBe(900_000)
    expect(() => appendAsking(room.make)(fd, [part, part])).toThrow('ENOSPC')
    await expect(appendingAsync(room.make)(fd, [part])).rejects.toThrow('ENOSPC')
    closeSync(fd)
  })

  test('a recording that is open when the disk fills up is written to its end and sealed, and the next one waits for room', async () => {
    const folder = smallDisk(40)
    const bench = {
      ...newBench(),
      folder: join(folder, 'recordings'),
      journalFolder: join(folder, 'journal'),
    }
    const room = startRoom([folder], 8 * mebibyte)
    await expect.poll(() => statSync(join(folder, reserveFile)).size).toBe(8 * mebibyte)
    const append = appendAsking(room.make)
    const recorder = startRecorder(bench, { room, append, segmentBytes: 2 * mebibyte })
    onTestFinished(() => recorder.close())
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    const ends: Fault[] = []
    recording.onFailure(fault => ends.push(fault))
    const filler = fill(folder)
    for (let i = 0; ends.length === 0; i++) {
      recording.record(output(Buffer.from(Array.from({ length: 30_000 }, () => Math.random() * 256))))
      if (i % 3 === 0) await turn()
      await recording.whenDrained()
    }
    expect(ends[0]?.userText).toContain("The gateway's disk has no room")
    expect(() => recorder.open(newGrant(), { session: 'two', protocol: 'ssh' })).toThrow('the disk is full')
    await recording.seal('the disk is full')
    const result = verifyRecording(join(bench.folder, recording.path), bench.signer.publicKeyPem)
    expect(result).toMatchObject({ ok: true, sealed: true })
    rmSync(filler)
    await expect.poll(() => room.shortage).toBe(undefined)
    await recorder.open(newGrant(), { session: 'two', protocol: 'ssh' }).seal('done')
  })

  test('a disk that is full before the first session opens none', async () => {
    const folder = smallDisk(2)
    writeFileSync(join(folder, 'x'), '')
    fill(folder)
    const room = startRoom([folder])
    await expect.poll(() => room.shortage?.code).toBe('DISK_FULL')
  })
})
