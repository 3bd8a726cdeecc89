import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { WriteAheadLog } from '../../src/store/write-ahead-log.ts'
import { scratchFolder } from '../support/openssh.ts'

const { path: folder, remove } = scratchFolder()
const file = join(folder, 'state.db')
writeFileSync(`${file}-wal`, '')
afterAll(remove)

/** A disk that takes its time: each call waits until it is let go. */
function slowDisk() {
  const calls: PromiseWithResolvers<void>[] = []
  const log = new WriteAheadLog(file, () => {
    const call = Promise.withResolvers<void>()
    calls.push(call)
    return call.promise
  })
  return { log, calls }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

test('a disk that fails is told to all who waited for it, and to nobody else', async () => {
  const { log, calls } = slowDisk()
  const failing = [log.flush()]
  const later = [log.flush(), log.flush()]
  calls[0]?.reject(new Error('EIO'))
  await expect(failing[0]).rejects.toThrow('EIO')
  await turn()
  calls[1]?.resolve()
  await Promise.all(later)
  expect(calls).toHaveLength(2)
  await log.close()
})

test('a log that is not there is a failure, not silence', async () => {
  await expect(new WriteAheadLog(join(folder, 'nothing')).flush()).rejects.toThrow('ENOENT')
})

test('who asks while the disk is busy waits for the next time, with all the others', async () => {
  const { log, calls } = slowDisk()
  let served = 0
  const ask = () => void log.flush().then(() => served++)
  ask()
  ask()
  ask()
  calls[0]?.resolve()
  await turn()
  expect([served, calls.length]).toEqual([1, 2]) // committed after the first began: the first says nothing of them
  calls[1]?.resolve()
  await turn()
  expect([served, calls.length]).toEqual([3, 2])
  await log.close()
})

test('a real log goes to the real disk', async () => {
  const log = new WriteAheadLog(file)
  await Promise.all([log.flush(), log.flush()])
  await log.close()
})
