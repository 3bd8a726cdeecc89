/** A target that really keeps a file, and clients that do anything to it: what is said of its content must be true. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FileContent, FileEvent } from '../../../src/recorder/file-event.ts'
import { MemoryBudget } from '../../../src/ssh/sftp/budget.ts'
import { SftpDecoder } from '../../../src/ssh/sftp/decoder.ts'
import * as sftp from './wire.ts'

const flag = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 }
const maxBytes = 4000

type Step =
  | { do: 'write'; offset: number; data: Uint8Array; fails: boolean }
  | { do: 'read'; offset: number; bytes: number }
  | { do: 'set-size'; size: number; fails: boolean }

const at = fc.oneof(fc.constant(0), fc.constant('end' as const), fc.nat({ max: maxBytes / 2 }))
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      at,
      data: fc.uint8Array({ maxLength: 500 }),
      fails: fc.nat({ max: 9 }).map(n => n === 0),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('read' as const), at, bytes: fc.integer({ min: 1, max: 900 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('set-size' as const), at, fails: fc.boolean() }) },
)
const visit = fc.record({ flags: fc.nat({ max: 63 }), steps: fc.array(step, { maxLength: 25 }) })

/** Behaves as OpenSSH's server does on one file, in order. */
class Target {
  content: Buffer | undefined
  readonly decoder = new SftpDecoder(0, new MemoryBudget())
  readonly events: FileEvent[] = []
  /** Where the client's own idea of the place is. */
  place = 0

  constructor() {
    this.client(sftp.init())
    this.answer(sftp.version())
  }

  client(bytes: Buffer): void {
    const { events, violation } = this.decoder.fromClient(bytes)
    expect(violation).toBeUndefined()
    this.events.push(...events)
  }

  answer(bytes: Buffer): void {
    const { events, violation } = this.decoder.fromTarget(bytes)
    expect(violation).toBeUndefined()
    this.events.push(...events)
  }

  open(flags: number): boolean {
    this.client(sftp.open(1, '/f', flags))
    const exists = this.content !== undefined
    const wantsNew = (flags & flag.create) !== 0 && (flags & flag.exclusive) !== 0
    if (exists ? wantsNew : (flags & flag.create) === 0) {
      this.answer(sftp.status(1, exists ? 4 : 2))
      return false
    }
    if (!exists || (flags & flag.truncate) !== 0) this.content = Buffer.alloc(0)
    this.answer(sftp.handle(1, 'h'))
    this.place = 0
    return true
  }

  take(flags: number, one: Step): void {
    if (one.do === 'write') this.#write(flags, one)
    else if (one.do === 'read') this.#read(one)
    else this.#setSize(one)
  }

  #write(flags: number, { offset, data, fails }: Step & { do: 'write' }): void {
    const bytes = Buffer.from(data)
    this.client(sftp.write(2, 'h', offset, bytes))
    const refused = fails || (flags & flag.write) === 0
    if (!refused) this.#put((flags & flag.append) === 0 ? offset : this.#size, bytes)
    this.answer(sftp.status(2, refused ? 4 : 0))
    this.place = offset + bytes.length
  }

  get #size(): number {
    return this.content?.length ?? 0
  }

  #put(offset: number, bytes: Buffer): void {
    if (bytes.length === 0) return
    const larger = Buffer.alloc(Math.max(this.#size, offset + bytes.length))
    this.content?.copy(larger)
    bytes.copy(larger, offset)
    this.content = larger
  }

  #read({ offset, bytes }: Step & { do: 'read' }): void {
    this.client(sftp.read(3, 'h', offset, bytes))
    const data = this.content?.subarray(offset, offset + bytes) ?? Buffer.alloc(0)
    this.answer(data.length === 0 ? sftp.status(3, 1) : sftp.data(3, data))
    this.place = offset + data.length
  }

  #setSize({ size, fails }: Step & { do: 'set-size' }): void {
    this.client(sftp.setSize(4, 'h', size))
    if (!fails) {
      const other = Buffer.alloc(size)
      this.content?.copy(other)
      this.content = other
    }
    this.answer(sftp.status(4, fails ? 4 : 0))
  }

  close(): FileEvent & { type: 'file-close' } {
    this.client(sftp.close(5, 'h'))
    this.answer(sftp.status(5))
    const last = this.events.at(-1)
    if (last?.type !== 'file-close') throw new Error('the file was not closed')
    return last
  }
}

function isOf(content: FileContent | undefined, file: Buffer | undefined): boolean {
  return (
    content?.sha256 ===
    createHash('sha256')
      .update(file ?? '')
      .digest('hex')
  )
}

test('what is called complete has the digest of the file as it is, and nothing else is', () => {
  let [complete, partial] = [0, 0]
  fc.assert(
    fc.property(fc.array(visit, { maxLength: 5 }), visits => {
      const target = new Target()
      for (const { flags, steps } of visits) {
        if (!target.open(flags)) continue
        let changed = false
        for (const { at: place, ...rest } of steps) {
          const offset = place === 'end' ? target.place : place
          const before = target.content
          target.take(flags, rest.do === 'set-size' ? { ...rest, size: offset } : { ...rest, offset })
          changed ||= target.content !== before
        }
        const { read, written } = target.close()
        if (written?.complete === true) expect(isOf(written, target.content)).toBe(true)
        if (read?.complete === true && !changed) expect(isOf(read, target.content)).toBe(true)
        if (written?.complete === true || read?.complete === true) complete++
        else partial++
      }
    }),
    { numRuns: 3000 },
  )
  expect(complete).toBeGreaterThan(50)
  expect(partial).toBeGreaterThan(50)
})
