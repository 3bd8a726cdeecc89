/** The reserve: room on the disk that is given back when it fills up, so that whatever is open can still be written to its end and sealed. */
import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { ReservedFile } from './reserved-file.ts'

/** After the disk was full, it is looked so often whether there is room for the reserve again. */
export const roomRetryMs = 2000

/** The name of the file in the data folder, and in the folder of recordings if that is on another disk. */
export const reserveFile = 'reserve'

export type RoomOptions = {
  /** What may fill up. One reserve is made on each disk. */
  readonly folders: readonly string[]
  /** Of each reserve; 0: none is kept. */
  readonly bytes: number
  readonly log: Log
  readonly retryMs?: number
}

/** Whether there is room for recordings and logs, and a reserve for when there is none. */
export class Room {
  readonly #log: Log
  readonly #folders: readonly string[]
  readonly #bytes: number
  readonly #reserves: readonly ReservedFile[]
  readonly #retryMs: number
  readonly #onShortage: ((fault: Fault) => void)[] = []
  readonly #attempts: (() => Promise<void>)[] = []
  readonly #givers: (() => void)[] = []
  #mayTake: () => boolean = () => true
  #shortage: { readonly ending: Fault; readonly refusal: Fault } | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor({ folders, bytes, log, retryMs = roomRetryMs }: RoomOptions) {
    this.#log = log
    this.#retryMs = retryMs
    this.#folders = onDisksOfTheirOwn(folders)
    this.#bytes = bytes
    this.#reserves =
      bytes === 0 ? [] : this.#folders.map(folder => new ReservedFile(join(folder, reserveFile), bytes))
    this.#attempts.push(...this.#reserves.map(reserve => () => reserve.make(false)))
    void this.#attempt()
  }

  /** Why no session can be opened now, if so. */
  get shortage(): Fault | undefined {
    return this.#shortage?.refusal
  }

  /** Hears each time that room has become short, with what to tell those whose sessions end; never from within the call that found out. */
  onShortage(listener: (fault: Fault) => void): void {
    this.#onShortage.push(listener)
  }

  /** Something else that needs room before sessions may be opened again, and that stops taking it when the disk is full. */
  needs(make: () => Promise<void>, stop: () => void): void {
    this.#attempts.push(make)
    this.#givers.push(stop)
  }

  /** While this says no, the reserve is not made again: what is open needs the room. */
  takeOnlyIf(mayTake: () => boolean): void {
    this.#mayTake = mayTake
  }

  /** The disk is full: gives the reserve back. Says whether that made any room. */
  readonly make = (): boolean => {
    for (const give of this.#givers) give()
    const made = this.#reserves.map(reserve => reserve.giveUp()).includes(true)
    this.isShort('a file could not be continued')
    return made
  }

  /** Room is short, by what was tried; whatever can be written now can still be written. */
  isShort(why: string): void {
    if (this.#shortage !== undefined || this.#isClosed) return
    const shortage = { ending: diskFull(endingText, why), refusal: diskFull(refusalText, why) }
    this.#shortage = shortage
    this.#log.error(
      { reason: why },
      'the disk is full: open sessions end, and no session is opened until there is room',
    )
    setImmediate(() => {
      for (const listener of this.#onShortage) listener(shortage.ending)
    })
    this.#tryLater()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const reserve of this.#reserves) await reserve.settled()
  }

  /** As much as the reserve is free besides: a disk that has its reserve and nothing else would be full again at the first session. */
  async #mustHaveRoom(folder: string): Promise<void> {
    const { bavail, bsize } = await statfs(folder)
    const needed = Math.max(this.#bytes, minFreeBytes)
    if (bavail * bsize < needed)
      throw new Error(`${folder} has ${bavail * bsize} bytes free, and ${needed} are needed to open sessions`)
  }

  #tryLater(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#attempt(), this.#retryMs).unref()
  }

  async #attempt(): Promise<void> {
    if (this.#shortage !== undefined && !this.#mayTake()) return this.#tryLater()
    try {
      for (const attempt of this.#attempts) await attempt()
      for (const folder of this.#folders) await this.#mustHaveRoom(folder)
    } catch (error) {
      this.isShort(reasonOf(error))
      if (!this.#isClosed) this.#tryLater()
      return
    }
    if (this.#shortage === undefined) return
    if (this.#reserves.some(reserve => !reserve.isReady)) return this.#tryLater() // given up again meanwhile
    this.#shortage = undefined
    this.#log.warn('there is room on the disk again: sessions may be opened')
  }
}

const endingText =
  "The gateway's disk has no room for more recordings, so this session ends. What you did so far is recorded. Ask the operator to make room, then connect again."
const refusalText =
  "The gateway's disk has no room for more recordings, so no session can be opened. Ask the operator to make room, then connect again."

/** Beyond the reserve, if there is none. */
const minFreeBytes = 1024 * 1024

function diskFull(userText: string, why: string): Fault {
  return new Fault('DISK_FULL', userText, { log: `the disk is full: ${why}` })
}

/** The first folder of each file system. */
function onDisksOfTheirOwn(folders: readonly string[]): string[] {
  const devices = new Set<number>()
  return folders.filter(folder => {
    const { dev } = statSync(folder)
    const isNew = !devices.has(dev)
    devices.add(dev)
    return isNew
  })
}
