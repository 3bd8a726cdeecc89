/** What the recorder tells of recordings that are kept elsewhere, and what it does when they cannot be. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import type { Spool } from '../../../src/recorder/storage/spool.ts'
import { newBench, newGrant, output, startRecorder } from '../support.ts'

function spool(): Spool & { told: string[]; refusing: Fault | undefined; tellFull: (fault: Fault) => void } {
  const listeners: ((fault: Fault) => void)[] = []
  const one = {
    told: [] as string[],
    refusing: undefined as Fault | undefined,
    opened: (recording: string) => void one.told.push(`opened ${recording}`),
    finished: (recording: string) => void one.told.push(`finished ${recording}`),
    refusal: () => one.refusing,
    onFull: (listener: (fault: Fault) => void) => void listeners.push(listener),
    tellFull: (fault: Fault) => listeners.forEach(listener => listener(fault)),
  }
  return one
}

test('while too much waits to be stored no recording is begun, and nothing is left of the try', async () => {
  const bench = newBench()
  const told = spool()
  told.refusing = new Fault('RECORDING_STORE_BEHIND', 'Try later.')
  const recorder = startRecorder(bench, { spool: told })
  expect(() => recorder.open(newGrant(), { session: 's1', protocol: 'ssh' })).toThrow(told.refusing)
  expect(told.told).toEqual([])
  told.refusing = undefined
  const recording = recorder.open(newGrant(), { session: 's1', protocol: 'ssh' })
  await recording.seal('closed')
  expect(told.told).toEqual([`opened ${recording.path}`, `finished ${recording.path}`])
  await recorder.close()
})

test('what is open when there is no room for more is told why it has to end, and is sealed', async () => {
  const bench = newBench()
  const told = spool()
  const recorder = startRecorder(bench, { spool: told })
  const recording = recorder.open(newGrant(), { session: 's1', protocol: 'ssh' })
  const heard: Fault[] = []
  recording.onFailure(fault => heard.push(fault))
  recording.record(output('the last words'))
  const full = new Fault('RECORDING_STORE_BEHIND', 'No room.')
  told.tellFull(full)
  expect(heard).toEqual([full])
  await recording.seal('no room')
  expect(told.told).toContain(`finished ${recording.path}`)
  await recorder.close()
})

test('what a crash left open is told of once it is sealed', async () => {
  const bench = newBench()
  const crashed = startRecorder(bench)
  const recording = crashed.open(newGrant(), { session: 's1', protocol: 'ssh' })
  recording.record(output('unsealed'))
  await crashed.close()
  const told = spool()
  const recorder = startRecorder(bench, { spool: told })
  await recorder.recover()
  expect(existsSync(join(bench.folder, recording.path))).toBe(true)
  expect(told.told).toEqual([`finished ${recording.path}`])
  await recorder.close()
})
