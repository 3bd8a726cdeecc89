/**
 * Room on a disk, had by writing zeros. Node has no fallocate, and a file that was only made long (ftruncate) has no room. Written zeros
 * have it on file systems that overwrite in place (ext4, XFS, tmpfs); those that copy on write (btrfs, ZFS) promise nothing.
 */
import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { AppendSync } from '../model.ts'

/**
 * Written at once. The kernel keeps what was written at once in one piece of its cache (large folios, Linux 6), and walks through the blocks
 * of that piece at each small append: behind a megabyte an append takes more than twice the CPU.
 */
const zeros = Buffer.alloc(64 * 1024)

/** A file of zeros that is made off the event loop. Its name stands for what it is: whoever puts something else in it renames it first. */
export class ReservedFile {
  readonly path: string
  readonly bytes: number
  #isReady: boolean
  #making: Promise<void> | undefined
  /** Counts what was given away, so that a file that is being made then is not taken for the next one. */
  #generation = 0

  /** What an earlier process has left at `path` is as good as new. */
  constructor(path: string, bytes: number) {
    this.path = path
    this.bytes = bytes
    this.#isReady = isThere(path, bytes)
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Makes the file if there is none; with `toDisk`, hands it to the disk. Rejects with what the operating system says, and leaves nothing behind. */
  make(toDisk: boolean): Promise<void> {
    if (this.#isReady) return Promise.resolve()
    this.#making ??= this.#make(toDisk, this.#generation).finally(() => void (this.#making = undefined))
    return this.#making
  }

  /** Resolves when nothing is being made. */
  async settled(): Promise<void> {
    await this.#making?.catch(() => {}) // whoever asked for it was told
  }

  /** The file was renamed: it is somebody else's now. */
  forget(): void {
    this.#isReady = false
  }

  /** Gives the room back, also of a file that is being made. Says whether there was any. */
  giveUp(): boolean {
    const hadRoom = this.#isReady || this.#making !== undefined
    this.#generation++
    this.#isReady = false
    rmSync(this.path, { force: true })
    return hadRoom
  }

  async #make(toDisk: boolean, generation: number): Promise<void> {
    const file = await open(this.path, 'w', 0o600)
    try {
      await this.#fill(file, generation)
      if (toDisk) await file.datasync()
      this.#isReady = generation === this.#generation
      if (!this.#isReady) rmSync(this.path, { force: true }) // given up before it was there
    } catch (error) {
      rmSync(this.path, { force: true })
      throw error
    } finally {
      await file.close()
    }
  }

  async #fill(file: FileHandle, generation: number): Promise<void> {
    for (let at = 0; at < this.bytes && generation === this.#generation; ) {
      const { bytesWritten } = await file.write(zeros, 0, Math.min(zeros.length, this.bytes - at), at)
      at += bytesWritten
    }
  }
}

function isThere(path: string, bytes: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  return found !== undefined && found.isFile() && found.size === bytes && found.blocks * blockBytes >= bytes
}

/** What `blocks` counts in, whatever the file system's own are. */
const blockBytes = 512

/** The same in this turn, for who cannot wait. Throws what the operating system says, and leaves nothing behind. */
export function reserveAtOnce(path: string, bytes: number, append: AppendSync): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    for (let at = 0; at < bytes; at += zeros.length) append(fd, [zeros.subarray(0, bytes - at)])
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
}
