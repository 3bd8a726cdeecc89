import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { unusablePath } from '../../src/store/data-folder.ts'
import { lockData } from '../../src/store/lock.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import { dataFolder } from './rows.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Starts another process on the folder; gives the first line that it says. */
async function holderOf(folder: string): Promise<{ child: ChildProcess; says: string }> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./lock-holder.ts', import.meta.url)), folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  children.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, says: line.toString().trim() }
}

function faultOf(action: () => unknown): Fault {
  try {
    action()
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown
    throw thrown
  }
  throw new Error('expected a Fault')
}

test('a second process is refused at once, with a sentence that names the folder', async () => {
  const folder = dataFolder()
  const lock = lockData(folder)
  const { says } = await holderOf(folder)
  expect(says).toBe(
    `The data folder ${folder} is in use by another Sallyport. Stop that one first, or give this one a data folder of its own (gateway.data).`,
  )
  lock.release()
})

test('the same process is refused a second time, and the first lock still holds after that', async () => {
  const folder = dataFolder()
  const lock = lockData(folder)
  expect(faultOf(() => lockData(folder)).code).toBe('DATA_FOLDER_IN_USE')
  expect((await holderOf(folder)).says).toContain('is in use')
  lock.release()
})

test('a process that is killed leaves the folder free', async () => {
  const folder = dataFolder()
  const { child } = await holderOf(folder)
  expect(faultOf(() => lockData(folder)).code).toBe('DATA_FOLDER_IN_USE')
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  lockData(folder).release()
})

test('a released folder can be taken again, by a new owner', () => {
  const folder = dataFolder()
  const first = lockData(folder)
  first.release()
  const second = lockData(folder)
  expect(second.ownerId).not.toBe(first.ownerId)
  expect(second.ownerId).toMatch(/^[0-9a-f]{16}$/)
  second.release()
})

test('the lock holds while the store is opened and closed beside it', async () => {
  const folder = dataFolder()
  const lock = lockData(folder)
  await (await openStore(folder)).close()
  expect((await holderOf(folder)).says).toContain('is in use')
  lock.release()
})

test('the lock file is for our user only', () => {
  const folder = dataFolder()
  lockData(folder).release()
  expect(statSync(join(folder, 'lock.db')).mode & 0o777).toBe(0o600)
})

test('a lock file that is no database is a fault, not a free folder', () => {
  const folder = dataFolder()
  writeFileSync(join(folder, 'lock.db'), 'x'.repeat(5000))
  expect(faultOf(() => lockData(folder)).code).toBe('STORE_UNAVAILABLE')
})

test('a folder that cannot be made is a fault that says which and why', () => {
  const file = join(dataFolder(), 'file')
  closeSync(openSync(file, 'w'))
  const fault = faultOf(() => lockData(join(file, 'data')))
  expect(fault.code).toBe('STORE_UNAVAILABLE')
  expect(fault.userText).toMatch(
    /^The data folder .*\/file\/data cannot be used: ENOTDIR.* move the file, or name/,
  )
  expect(faultOf(() => lockData(file)).userText).toMatch(/EEXIST.* move the file, or name another folder/)
})

test.each([
  ['EACCES', /own it/],
  ['EROFS', /mount it writable/],
  ['EEXIST', /move the file/],
  ['ENOSPC', /Make room/],
])('a path that the system refuses with %s at the start says what to do', (code, advice) => {
  const cause = Object.assign(new Error(`${code}: why`), { code, syscall: 'mkdir', path: '/srv/recordings' })
  expect(unusablePath(cause)?.userText).toMatch(/^\/srv\/recordings cannot be used: /)
  expect(unusablePath(cause)?.userText).toMatch(advice)
  expect(unusablePath(new Error('a mistake of ours'))).toBeUndefined()
})
