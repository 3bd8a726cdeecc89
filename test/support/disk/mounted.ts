/** Real disks that are small, or can be made to stand still: a tmpfs, and an ext4 file system in a file. */
import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, cpSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { scratchFolder } from '../openssh.ts'

/** Why nothing can be mounted here, or undefined. */
export function cannotMount(): string | undefined {
  if (process.platform !== 'linux') return 'Linux'
  const scratch = scratchFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', scratch.path], { stdio: 'ignore' })
    execFileSync('umount', [scratch.path])
    return undefined
  } catch {
    return 'the right to mount'
  } finally {
    scratch.remove()
  }
}

export type Mounted = { remove(): void }

/** Puts a disk of so many MiB in memory in the place of a folder, with what the folder holds. Who uses the folder has to be stopped. */
export function mountSmall(folder: string, mib: number): Mounted {
  return mountOver(folder, ['-t', 'tmpfs', '-o', `size=${mib}m,mode=0700`, 'tmpfs'])
}

/** The same with an ext4 file system in a file: it can be frozen, as a disk that does not answer. */
export function mountExt4(folder: string, mib: number): Mounted {
  const scratch = scratchFolder()
  const image = join(scratch.path, 'image')
  const fd = openSync(image, 'w')
  ftruncateSync(fd, mib * 1024 * 1024)
  closeSync(fd)
  execFileSync('mkfs.ext4', ['-q', '-F', image])
  const mounted = mountOver(folder, ['-o', 'loop', image])
  return {
    remove: () => {
      mounted.remove()
      scratch.remove()
    },
  }
}

/** Stops all writes to the file system of a folder, for everybody, until the function that it gives is called. */
export function freeze(folder: string): () => void {
  execFileSync('fsfreeze', ['-f', folder])
  let isFrozen = true
  return () => {
    if (isFrozen) execFileSync('fsfreeze', ['-u', folder])
    isFrozen = false
  }
}

/** Files that only hold room: the small disk has not as much. */
function isRoom(path: string): boolean {
  return ['reserve', 'spare'].includes(basename(path))
}

function mountOver(folder: string, options: readonly string[]): Mounted {
  const copy = scratchFolder()
  cpSync(folder, copy.path, { recursive: true, filter: from => !isRoom(from) })
  execFileSync('mount', [...options, folder])
  cpSync(copy.path, folder, { recursive: true })
  chmodSync(folder, 0o700)
  return {
    remove: () => {
      execFileSync('umount', ['-l', folder])
      copy.remove()
    },
  }
}

const megabyte = Buffer.alloc(1024 * 1024, 1)

/** Fills a disk to its last block; gives the file that did. */
export function fill(folder: string): string {
  const file = join(folder, 'somebody-elses-file')
  const fd = openSync(file, 'w')
  try {
    for (let size = megabyte.length; size >= 1; size = Math.floor(size / 4)) writeUntilFull(fd, size)
  } finally {
    closeSync(fd)
  }
  return file
}

function writeUntilFull(fd: number, size: number): void {
  try {
    for (;;) writeSync(fd, megabyte, 0, size)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOSPC') throw error
  }
}
