import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FileEvent } from '../../../src/recorder/file-event.ts'
import { jsonOf } from '../../../src/recorder/event.ts'
import { maxDecodingBytes, MemoryBudget } from '../../../src/ssh/sftp/budget.ts'
import { maxOpenFiles, SftpDecoder } from '../../../src/ssh/sftp/decoder.ts'
import { string, uint32, uint64 } from '../../../src/wire.ts'
import * as sftp from './wire.ts'

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

/** `>` from the client, `<` from the target. */
type Step = readonly ['>' | '<', Buffer]

class Conversation {
  readonly budget = new MemoryBudget()
  readonly decoder = new SftpDecoder(7, this.budget)
  readonly events: FileEvent[] = []
  violation: string | undefined

  say(...steps: readonly Step[]): this {
    for (const [side, bytes] of steps) this.push(side, bytes)
    return this
  }

  push(side: '>' | '<', bytes: Buffer): void {
    const { events, violation } =
      side === '>' ? this.decoder.fromClient(bytes) : this.decoder.fromTarget(bytes)
    this.events.push(...events)
    this.violation = violation
  }

  begin(): this {
    return this.say(['>', sftp.init()], ['<', sftp.version()])
  }

  /** Opens a file under this handle; its request has the number 1. */
  opened(path = '/f', flags = 1, handle = 'h'): this {
    return this.begin().say(['>', sftp.open(1, path, flags)], ['<', sftp.handle(1, handle)])
  }

  closed(handle = 'h'): this {
    return this.say(['>', sftp.close(99, handle)], ['<', sftp.status(99)])
  }

  of<T extends FileEvent['type']>(type: T): (FileEvent & { type: T })[] {
    return this.events.filter((event): event is FileEvent & { type: T } => event.type === type)
  }

  end(): this {
    this.events.push(...this.decoder.end())
    return this
  }
}

const conversation = (): Conversation => new Conversation()
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('ends the channel, and says why:', () => {
  const refused: [string, (talk: Conversation) => Conversation, string][] = [
    ['a packet of no length', talk => talk.say(['>', hex('00000000')]), 'a packet is empty'],
    [
      'a packet longer than 256 KiB',
      talk => talk.say(['>', hex('00040001 05')]),
      'a packet is longer than SFTP allows',
    ],
    [
      'the same from the target',
      talk => talk.say(['<', hex('ffffffff')]),
      'a packet is longer than SFTP allows',
    ],
    [
      'what is not SFTP at all',
      talk => talk.begin().say(['<', Buffer.from('Welcome to web1!\n')]),
      'a packet is longer than SFTP allows',
    ],
    [
      'requests before INIT',
      talk => talk.say(['>', sftp.open(1, '/f', 1)]),
      'a request came before the first message',
    ],
    [
      'content before INIT',
      talk => talk.say(['>', sftp.write(1, 'h', 0, Buffer.from('x'))]),
      'a request came before the first message',
    ],
    [
      'replies before VERSION',
      talk => talk.say(['>', sftp.init()], ['<', sftp.status(0)]),
      'the target sent something that is not SFTP',
    ],
    ['VERSION before INIT', talk => talk.say(['<', sftp.version()]), 'the target spoke first'],
    ['INIT twice', talk => talk.begin().say(['>', sftp.init()]), 'the protocol was begun twice'],
    ['VERSION twice', talk => talk.begin().say(['<', sftp.version()]), 'the protocol was begun twice'],
    [
      'version 6 from the target',
      talk => talk.say(['>', sftp.init(6)], ['<', sftp.version(6)]),
      'only version 3 of SFTP is passed on',
    ],
    [
      'version 2 from the client',
      talk => talk.say(['>', sftp.init(2)]),
      'only version 3 of SFTP is passed on',
    ],
    [
      'an unknown type from the client',
      talk => talk.begin().say(['>', sftp.packet(21, uint32(1))]),
      'a request of an unknown type',
    ],
    [
      'a reply that the client sends',
      talk => talk.begin().say(['>', sftp.status(1)]),
      'a request of an unknown type',
    ],
    [
      'an unknown type from the target',
      talk => talk.begin().say(['>', sftp.onPath(17, 1, '/')], ['<', sftp.packet(106, uint32(1))]),
      'a reply of an unknown type',
    ],
    [
      'a request that the target sends',
      talk => talk.begin().say(['>', sftp.onPath(17, 1, '/')], ['<', sftp.onPath(17, 1, '/')]),
      'a reply of an unknown type',
    ],
    [
      'an extension that nobody knows',
      talk => talk.begin().say(['>', sftp.extended(1, 'exec@example.com')]),
      'a request of an extension that the gateway does not know',
    ],
    [
      'a string that runs over',
      talk => talk.begin().say(['>', hex('0000000d 11 00000001 00000006 2f61626364')]),
      'a packet is malformed',
    ],
    [
      'fields that are cut',
      talk => talk.begin().say(['>', hex('00000007 11 00000001 0000')]),
      'a packet is malformed',
    ],
    [
      'bytes after the last field',
      talk => talk.begin().say(['>', hex('0000000b 11 00000001 00000001 2f 00')]),
      'a packet is malformed',
    ],
    [
      'a WRITE whose data is shorter than its packet',
      talk =>
        talk
          .opened('/f', 2)
          .say(['>', hex('00000018 06 00000002 00000001 68 0000000000000000 00000001 0000')]),
      'the length of a packet and of its content differ',
    ],
    [
      'a WRITE whose data is longer than its packet',
      talk =>
        talk.opened('/f', 2).say(['>', hex('00000017 06 00000002 00000001 68 0000000000000000 00000004 00')]),
      'the length of a packet and of its content differ',
    ],
    [
      'a WRITE that is too short for its fields',
      talk => talk.opened('/f', 2).say(['>', hex('00000009 06 00000002 00000001')]),
      'a packet is cut short',
    ],
    [
      'a handle of 257 bytes',
      talk => talk.begin().say(['>', sftp.write(2, 'h'.repeat(257), 0, Buffer.from('x'))]),
      'a handle is longer than SFTP allows',
    ],
    [
      'a path of 17 KiB',
      talk => talk.begin().say(['>', sftp.onPath(17, 1, 'x'.repeat(17 * 1024))]),
      'a path is too long',
    ],
    [
      'an offset beyond any file',
      talk => talk.opened().say(['>', sftp.packet(5, uint32(2), string('h'), uint64(2n ** 63n), uint32(1))]),
      'an offset is beyond any file',
    ],
    [
      'attributes of version 4',
      talk => talk.begin().say(['>', sftp.packet(9, uint32(1), string('/f'), uint32(0x10))]),
      'attributes of another version of SFTP',
    ],
    [
      'open flags of version 5',
      talk => talk.begin().say(['>', sftp.open(1, '/f', 0x40)]),
      'a file is opened with flags of another version of SFTP',
    ],
    [
      'a handle that the target never gave',
      talk => talk.begin().say(['>', sftp.read(2, 'other', 0, 1)]),
      'a request is about a file that is not open',
    ],
    [
      'a handle after its CLOSE',
      talk => talk.opened().say(['>', sftp.close(2, 'h')], ['>', sftp.read(3, 'h', 0, 1)]),
      'a request is about a file that is not open',
    ],
    [
      'a reply that nobody asked for',
      talk => talk.begin().say(['<', sftp.status(5)]),
      'a reply came that nobody asked for',
    ],
    [
      'data that nobody asked for',
      talk => talk.begin().say(['<', sftp.data(5, Buffer.from('x'))]),
      'a reply came that nobody asked for',
    ],
    [
      'a second reply',
      talk =>
        talk
          .opened()
          .closed()
          .say(['<', sftp.status(99)]),
      'a reply came that nobody asked for',
    ],
    [
      'a number in use',
      talk => talk.opened().say(['>', sftp.read(2, 'h', 0, 1)], ['>', sftp.read(2, 'h', 1, 1)]),
      'two requests that wait for a reply have the same number',
    ],
    [
      'a HANDLE for a STAT',
      talk => talk.begin().say(['>', sftp.onPath(17, 1, '/')], ['<', sftp.handle(1, 'h')]),
      'a reply is of the wrong kind',
    ],
    [
      'DATA for a STAT',
      talk => talk.begin().say(['>', sftp.onPath(17, 1, '/')], ['<', sftp.data(1, Buffer.from('x'))]),
      'a reply is of the wrong kind',
    ],
    [
      'NAME for a WRITE',
      talk =>
        talk.opened('/f', 2).say(['>', sftp.write(2, 'h', 0, Buffer.from('x'))], ['<', sftp.names(2, 'x')]),
      'a reply is of the wrong kind',
    ],
    [
      'more data than was asked for',
      talk => talk.opened().say(['>', sftp.read(2, 'h', 0, 1)], ['<', sftp.data(2, Buffer.from('xy'))]),
      'a reply holds more than was asked for',
    ],
    [
      'success without data',
      talk => talk.opened().say(['>', sftp.read(2, 'h', 0, 1)], ['<', sftp.status(2)]),
      'a read succeeded without data',
    ],
    [
      'success without a handle',
      talk => talk.begin().say(['>', sftp.open(1, '/f', 1)], ['<', sftp.status(1)]),
      'a request succeeded without what it asked for',
    ],
    [
      'one handle for two files',
      talk => talk.opened().say(['>', sftp.open(2, '/g', 1)], ['<', sftp.handle(2, 'h')]),
      'the target gave one handle to two files',
    ],
    [
      'a look-up with two answers',
      talk => talk.begin().say(['>', sftp.onPath(16, 1, '.')], ['<', sftp.names(1, '/a', '/b')]),
      'a look-up of one name brought several or none',
    ],
    [
      'a listing that claims four thousand million names',
      talk =>
        talk
          .begin()
          .say(['>', sftp.onPath(16, 1, '.')], ['<', sftp.packet(104, uint32(1), uint32(0xffff_ffff))]),
      'a packet is malformed',
    ],
    [
      'limits of the wrong length',
      talk =>
        talk
          .begin()
          .say(['>', sftp.extended(1, 'limits@openssh.com')], ['<', sftp.packet(201, uint32(1), uint64(1n))]),
      'an extended reply has the wrong length',
    ],
  ]

  test.each(refused)('%s', (_, say, reason) => {
    const talk = say(conversation())
    expect(talk.violation).toBe(reason)
    expect(talk.of('file-problem')).toEqual([expect.objectContaining({ channel: 7, reason })])
  })

  test('more open files than a process may have', () => {
    const talk = conversation().begin()
    for (let id = 0; id <= maxOpenFiles; id++)
      talk.say(['>', sftp.open(id, '/f', 1)], ['<', sftp.handle(id, `h${id}`)])
    expect(talk.violation).toBe('too many files are open')
  })

  test('requests without end that nobody answers', () => {
    const talk = conversation().opened()
    for (let id = 2; talk.violation === undefined; id++) talk.say(['>', sftp.read(id, 'h', 0, 1)])
    expect(talk.violation).toBe('too many requests wait for a reply')
    talk.end()
    expect(talk.budget.leftBytes).toBe(maxDecodingBytes)
  })

  test('and nothing comes of it after that', () => {
    const talk = conversation().say(['>', hex('00000000')])
    const { events, violation } = talk.decoder.fromTarget(sftp.version())
    expect({ events, violation }).toEqual({ events: [], violation: 'a packet is empty' })
  })
})

describe('operations', () => {
  test('are told before they go on, and with their result before that goes back', () => {
    const talk = conversation()
      .begin()
      .say(
        ['>', sftp.packet(18, uint32(4), string('/a'), string('/b'))],
        ['<', sftp.status(4, 3, 'Permission denied')],
      )
    expect(talk.events.slice(2)).toEqual([
      { type: 'file-request', channel: 7, request: 4, operation: 'rename', path: '/a', targetPath: '/b' },
      {
        type: 'file-operation',
        channel: 7,
        request: 4,
        operation: 'rename',
        path: '/a',
        targetPath: '/b',
        status: 'permission denied',
      },
    ])
  })

  test('keep paths that are not UTF-8 byte for byte', () => {
    const path = Buffer.from([0x2f, 0xff, 0x0a])
    const talk = conversation()
      .begin()
      .say(['>', sftp.onPath(13, 1, path)])
    expect(talk.of('file-request')[0]).toMatchObject({
      operation: 'remove',
      pathBase64: path.toString('base64'),
    })
    expect(jsonOf(talk.of('file-request')[0] as FileEvent)).not.toContain('\n')
  })

  test('keep what the target says besides its code', () => {
    const talk = conversation()
      .begin()
      .say(['>', sftp.onPath(13, 1, '/f')], ['<', sftp.status(1, 4, 'quota exceeded')])
    expect(talk.of('file-operation')[0]).toMatchObject({ status: 'failure', message: 'quota exceeded' })
  })

  test('tell attributes that are set, and those that were found', () => {
    const mode = sftp.packet(
      9,
      uint32(1),
      string('/f'),
      uint32(0x8000_000f),
      uint64(5n),
      uint32(10),
      uint32(20),
      uint32(0o100755),
      uint32(1),
      uint32(2),
      uint32(1),
      string('a@b'),
      string('x'),
    )
    const talk = conversation()
      .begin()
      .say(['>', mode], ['<', sftp.status(1)], ['>', sftp.onPath(7, 2, '/f')], ['<', sftp.attributes(2, 55)])
    const set = { size: 5, uid: 10, gid: 20, permissions: '100755', accessedAt: 1, modifiedAt: 2 }
    expect(talk.of('file-operation')).toEqual([
      expect.objectContaining({ operation: 'setstat', attributes: set, status: 'ok' }),
      expect.objectContaining({ operation: 'lstat', found: { size: 55 } }),
    ])
  })

  test('of OpenSSH’s extensions are told like the others', () => {
    const talk = conversation()
      .opened('/f', 1)
      .say(
        ['>', sftp.extended(10, 'posix-rename@openssh.com', string('/a'), string('/b'))],
        ['<', sftp.status(10)],
        ['>', sftp.extended(11, 'hardlink@openssh.com', string('/a'), string('/b'))],
        ['<', sftp.status(11)],
        ['>', sftp.extended(12, 'statvfs@openssh.com', string('/a'))],
        ['<', sftp.packet(201, uint32(12), Buffer.alloc(88))],
        ['>', sftp.extended(13, 'fstatvfs@openssh.com', string('h'))],
        ['<', sftp.packet(201, uint32(13), Buffer.alloc(88))],
        ['>', sftp.extended(14, 'fsync@openssh.com', string('h'))],
        ['<', sftp.status(14)],
        ['>', sftp.extended(15, 'lsetstat@openssh.com', string('/l'), sftp.noAttributes)],
        ['<', sftp.status(15)],
        ['>', sftp.extended(16, 'limits@openssh.com')],
        ['<', sftp.packet(201, uint32(16), Buffer.alloc(32))],
        ['>', sftp.extended(17, 'expand-path@openssh.com', string('~'))],
        ['<', sftp.names(17, '/root')],
        ['>', sftp.extended(18, 'home-directory', string('ada'))],
        ['<', sftp.names(18, '/home/ada')],
        ['>', sftp.extended(19, 'users-groups-by-id@openssh.com', string(uint32(0)), string(''))],
        ['<', sftp.packet(201, uint32(19), string(string('root')), string(''))],
        ['>', sftp.extended(20, 'copy-data', string('h'), uint64(0n), uint64(0n), string('h'), uint64(9n))],
        ['<', sftp.status(20)],
      )
    expect(talk.violation).toBeUndefined()
    expect(talk.of('file-operation').map(({ operation, status }) => `${operation} ${status}`)).toEqual(
      [
        'posix-rename',
        'hardlink',
        'statvfs',
        'fstatvfs',
        'fsync',
        'lsetstat',
        'limits',
        'expand-path',
        'home-directory',
        'names-of-ids',
        'copy-data',
      ].map(name => `${name} ok`),
    )
    expect(talk.of('file-operation').at(-1)).toMatchObject({
      file: 1,
      targetFile: 1,
      from: 0,
      bytes: 0,
      to: 9,
    })
  })

  test('on directories count the names that came', () => {
    const talk = conversation()
      .begin()
      .say(['>', sftp.onPath(11, 1, '/d')], ['<', sftp.handle(1, 'd')])
      .say(['>', sftp.packet(12, uint32(2), string('d'))], ['<', sftp.names(2, '.', '..', 'x')])
      .say(['>', sftp.packet(12, uint32(3), string('d'))], ['<', sftp.status(3, 1)])
      .closed('d')
    expect(talk.of('file-open')).toEqual([
      expect.objectContaining({ operation: 'open-directory', path: '/d' }),
    ])
    expect(talk.of('file-operation')).toEqual([
      expect.objectContaining({ operation: 'read-directory', path: '/d', entries: 3, status: 'ok' }),
      expect.objectContaining({ operation: 'read-directory', status: 'end of file' }),
    ])
    expect(talk.of('file-close')).toEqual([
      { type: 'file-close', channel: 7, file: 1, path: '/d', status: 'ok' },
    ])
  })

  test('that were never answered stay requests; files that were left open are closed with the channel', () => {
    const talk = conversation()
      .opened('/f', 2)
      .say(['>', sftp.write(2, 'h', 0, Buffer.from('abc'))])
      .end()
    expect(talk.of('file-close')).toEqual([
      expect.objectContaining({
        status: 'not closed',
        written: expect.objectContaining({ bytes: 3, complete: false, failedWrites: 1 }),
      }),
    ])
  })
})

describe('the content of a file', () => {
  const text = Buffer.from('The quick brown fox jumps over the lazy dog')

  test('read in order to its end has the digest of the file', () => {
    const talk = conversation()
      .opened()
      .say(
        ['>', sftp.read(2, 'h', 0, 20)],
        ['>', sftp.read(3, 'h', 20, 100)],
        ['<', sftp.data(2, text.subarray(0, 20))],
      )
      .say(
        ['<', sftp.data(3, text.subarray(20))],
        ['>', sftp.read(4, 'h', 43, 100)],
        ['<', sftp.status(4, 1)],
      )
      .closed()
    expect(talk.of('file-close')).toEqual([
      {
        type: 'file-close',
        channel: 7,
        file: 1,
        path: '/f',
        status: 'ok',
        read: { bytes: 43, complete: true, sha256: sha256(text) },
      },
    ])
  })

  test('read whole without asking for its end is complete if the target said its size', () => {
    const talk = conversation()
      .opened()
      .say(['>', sftp.packet(8, uint32(5), string('h'))], ['<', sftp.attributes(5, text.length)])
      .say(['>', sftp.read(2, 'h', 0, 100)], ['<', sftp.data(2, text)])
      .closed()
    expect(talk.of('file-close')[0]?.read).toEqual({ bytes: 43, complete: true, sha256: sha256(text) })
  })

  test('read up to a point is not complete', () => {
    const talk = conversation()
      .opened()
      .say(['>', sftp.read(2, 'h', 0, 9)], ['<', sftp.data(2, text.subarray(0, 9))])
      .closed()
    expect(talk.of('file-close')[0]?.read).toEqual({
      bytes: 9,
      complete: false,
      sha256: sha256(text.subarray(0, 9)),
    })
  })

  test('answered in any order is put together', () => {
    const talk = conversation()
      .opened()
      .say(
        ['>', sftp.read(2, 'h', 0, 10)],
        ['>', sftp.read(3, 'h', 10, 10)],
        ['>', sftp.read(4, 'h', 20, 99)],
        ['>', sftp.read(5, 'h', 43, 99)],
      )
      .say(
        ['<', sftp.status(5, 1)],
        ['<', sftp.data(4, text.subarray(20))],
        ['<', sftp.data(3, text.subarray(10, 20))],
        ['<', sftp.data(2, text.subarray(0, 10))],
      )
      .closed()
    expect(talk.of('file-close')[0]?.read).toEqual({ bytes: 43, complete: true, sha256: sha256(text) })
  })

  test('still on its way when the target answers CLOSE is waited for', () => {
    const talk = conversation()
      .opened()
      .say(['>', sftp.read(2, 'h', 0, 99)], ['>', sftp.close(3, 'h')], ['<', sftp.status(3)])
    expect(talk.of('file-close')).toEqual([])
    talk.say(['<', sftp.data(2, text)])
    expect(talk.of('file-close')[0]?.read).toMatchObject({ bytes: 43, sha256: sha256(text) })
  })

  test('written to a new file is complete once the target took it all', () => {
    const talk = conversation()
      .opened('/f', 0x1a)
      .say(['>', sftp.write(2, 'h', 0, text)], ['<', sftp.status(2)])
      .closed()
    expect(talk.of('file-open')[0]).toMatchObject({ flags: ['write', 'create', 'truncate'] })
    expect(talk.of('file-close')[0]?.written).toEqual({ bytes: 43, complete: true, sha256: sha256(text) })
  })

  test('of an empty file has a digest too', () => {
    const talk = conversation().opened('/f', 0x1a).closed()
    expect(talk.of('file-close')[0]?.written).toEqual({
      bytes: 0,
      complete: true,
      sha256: sha256(Buffer.alloc(0)),
    })
  })

  test('that the target refused is not complete', () => {
    const talk = conversation()
      .opened('/f', 0x1a)
      .say(['>', sftp.write(2, 'h', 0, text)], ['<', sftp.status(2, 4)])
      .closed()
    expect(talk.of('file-close')[0]?.written).toMatchObject({ complete: false, failedWrites: 1 })
  })

  test('written over an old file is complete once it has been cut to its length', () => {
    const talk = conversation()
      .opened('/f', 0xa)
      .say(['>', sftp.write(2, 'h', 0, text)], ['<', sftp.status(2)])
    talk.say(['>', sftp.setSize(3, 'h', 43)], ['<', sftp.status(3)]).closed()
    expect(talk.of('file-close')[0]?.written).toMatchObject({ complete: true })
  })

  test('written over a part of an old file is described as that part', () => {
    const talk = conversation()
      .opened('/f', 2)
      .say(['>', sftp.write(2, 'h', 100, text)], ['<', sftp.status(2)])
      .closed()
    expect(talk.of('file-close')[0]?.written).toEqual({
      bytes: 43,
      complete: false,
      ranges: [{ from: 100, bytes: 43, sha256: sha256(text) }],
    })
  })

  test('written twice says that it overlaps', () => {
    const talk = conversation()
      .opened('/f', 0x1a)
      .say(
        ['>', sftp.write(2, 'h', 0, text)],
        ['<', sftp.status(2)],
        ['>', sftp.write(3, 'h', 4, Buffer.from('slow!'))],
        ['<', sftp.status(3)],
      )
      .closed()
    expect(talk.of('file-close')[0]?.written).toEqual({
      bytes: 48,
      complete: false,
      overlapping: true,
      ranges: [
        { from: 0, bytes: 43, sha256: sha256(text) },
        { from: 4, bytes: 5, sha256: sha256(Buffer.from('slow!')) },
      ],
    })
  })

  test('appended is never called the whole file', () => {
    const talk = conversation()
      .opened('/f', 0x1e)
      .say(['>', sftp.write(2, 'h', 0, text)], ['<', sftp.status(2)])
      .closed()
    expect(talk.of('file-close')[0]?.written).toMatchObject({ bytes: 43, complete: false })
  })

  test('written over an old file that was not created now is not complete', () => {
    const exclusiveAlone = 0x22
    const talk = conversation().opened('/f', exclusiveAlone)
    talk.say(['>', sftp.write(2, 'h', 0, text)], ['<', sftp.status(2)]).closed()
    expect(talk.of('file-close')[0]?.written).toMatchObject({ complete: false })
  })

  test('into which the target copied bytes by itself is not complete', () => {
    const copy = sftp.extended(3, 'copy-data', string('h'), uint64(0n), uint64(9n), string('h'), uint64(0n))
    const talk = conversation().opened('/f', 0x1b)
    talk
      .say(['>', sftp.write(2, 'h', 0, text)], ['<', sftp.status(2)], ['>', copy], ['<', sftp.status(3)])
      .closed()
    expect(talk.of('file-close')[0]?.written).toMatchObject({ complete: false })
  })

  test('read and written through one handle is told apart', () => {
    const talk = conversation()
      .opened('/f', 3)
      .say(
        ['>', sftp.read(2, 'h', 0, 9)],
        ['<', sftp.data(2, text.subarray(0, 9))],
        ['>', sftp.write(3, 'h', 9, text)],
        ['<', sftp.status(3)],
      )
      .closed()
    expect(talk.of('file-close')[0]).toMatchObject({ read: { bytes: 9 }, written: { bytes: 43 } })
  })

  test('that jumps further than the reordering window is described by ranges', () => {
    const talk = conversation().opened('/f', 0x1a)
    const far = 100 * 1024 * 1024
    talk.say(['>', sftp.write(2, 'h', far, text)], ['>', sftp.write(3, 'h', 0, text)])
    talk.say(['<', sftp.status(2)], ['<', sftp.status(3)]).closed()
    expect(talk.of('file-close')[0]?.written?.ranges).toEqual([
      { from: far, bytes: 43, sha256: sha256(text) },
      { from: 0, bytes: 43, sha256: sha256(text) },
    ])
  })

  test('scattered beyond all ranges is described by one digest with offsets', () => {
    const talk = conversation().opened('/f', 2)
    for (let id = 2; id < 202; id++)
      talk.say(['>', sftp.write(id, 'h', id * 10_000_000, Buffer.from('x'))], ['<', sftp.status(id)])
    talk.closed()
    const written = talk.of('file-close')[0]?.written
    expect(written?.bytes).toBe(200)
    expect(written?.ranges?.length).toBe(64)
    const tail = Array.from({ length: 136 }, (_, index) =>
      Buffer.concat([uint64(BigInt((66 + index) * 10_000_000)), uint32(1), Buffer.from('x')]),
    )
    expect(written?.scattered).toEqual({ packets: 136, bytes: 136, sha256: sha256(Buffer.concat(tail)) })
  })

  test('has a running digest in each push in which it moves, also within a packet', () => {
    const talk = conversation().opened('/f', 0x1a)
    const bytes = sftp.write(2, 'h', 0, text)
    talk.say(['>', bytes.subarray(0, 36)], ['>', bytes.subarray(36)])
    const told = talk.of('file-progress').map(({ written }) => written)
    const passed = 36 - (bytes.length - text.length)
    expect(told).toEqual([
      [{ from: 0, bytes: passed, sha256: sha256(text.subarray(0, passed)) }],
      [{ from: 0, bytes: 43, sha256: sha256(text) }],
    ])
  })

  test('is described in each push even where a packet is cut outside of it', () => {
    const talk = conversation().begin()
    const bytes = sftp.open(1, '/f', 1)
    talk.say(['>', bytes.subarray(0, 9)], ['>', bytes.subarray(9)])
    expect(talk.of('file-partial')).toEqual([
      { type: 'file-partial', channel: 7, from: 'client', bytes: 9, sha256: sha256(bytes.subarray(0, 9)) },
    ])
  })

  test('that came early is in the progress by itself, and again when the range has reached it', () => {
    const talk = conversation().opened('/f', 0x1a)
    talk.say(
      ['>', sftp.write(2, 'h', 4, text.subarray(4))],
      ['>', sftp.write(3, 'h', 0, text.subarray(0, 4))],
    )
    expect(talk.of('file-progress').map(({ written }) => written)).toEqual([
      [{ from: 4, bytes: 39, sha256: sha256(text.subarray(4)) }],
      [{ from: 0, bytes: 43, sha256: sha256(text) }],
    ])
  })

  test('counts reads asked for and writes answered, so that no message is without its event', () => {
    const talk = conversation().opened('/f', 3)
    talk.say(['>', sftp.read(2, 'h', 0, 1)], ['>', sftp.write(3, 'h', 0, text)], ['<', sftp.status(3, 4)])
    expect(
      talk.of('file-progress').map(({ readRequests, writeReplies, failedWrites }) => ({
        readRequests,
        writeReplies,
        failedWrites,
      })),
    ).toEqual([{ readRequests: 1 }, {}, { writeReplies: 1, failedWrites: 1 }])
  })
})

test('whoever scatters content gets coarser digests, and requests still have room', () => {
  const talk = conversation().begin()
  for (let file = 0; file < 12; file++) {
    talk.say(['>', sftp.open(file, `/${file}`, 2)], ['<', sftp.handle(file, `h${file}`)])
    for (let id = 0; id < 16; id++)
      talk.say(
        ['>', sftp.write(1000 + id, `h${file}`, 1 + id * 300_000, Buffer.alloc(256_000))],
        ['<', sftp.status(1000 + id)],
      )
  }
  expect(talk.violation).toBeUndefined()
  expect(talk.budget.leftBytes).toBeGreaterThan(15_000_000)
  expect(talk.end().budget.leftBytes).toBe(maxDecodingBytes)
})

// ── Properties ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** A conversation of writes and reads in any order at any place, and the file that it makes. */
const piece = fc.record({
  offset: fc.nat({ max: 3000 }),
  data: fc.uint8Array({ maxLength: 700 }),
  isRead: fc.boolean(),
})
const pieces = fc.array(piece, { maxLength: 40 })

function stepsOf(parts: readonly { offset: number; data: Uint8Array; isRead: boolean }[]): Step[] {
  const steps: Step[] = [
    ['>', sftp.init()],
    ['<', sftp.version()],
    ['>', sftp.open(0, '/f', 3)],
    ['<', sftp.handle(0, 'h')],
  ]
  for (const [index, { offset, data, isRead }] of parts.entries()) {
    const bytes = Buffer.from(data)
    steps.push([
      '>',
      isRead ? sftp.read(index, 'h', offset, bytes.length) : sftp.write(index, 'h', offset, bytes),
    ])
  }
  for (const [index, { data, isRead }] of parts.entries())
    steps.push(['<', isRead ? sftp.data(index, Buffer.from(data)) : sftp.status(index)])
  steps.push(['>', sftp.close(999, 'h')], ['<', sftp.status(999)])
  return steps
}

const told = (talk: Conversation): FileEvent[] =>
  talk.events.filter(({ type }) => type !== 'file-progress' && type !== 'file-partial')

test('how the streams were cut never shows', () => {
  fc.assert(
    fc.property(
      pieces,
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 }),
      (parts, cuts) => {
        const steps = stepsOf(parts)
        const whole = conversation().say(...steps)
        const cut = conversation()
        let turn = 0
        for (const [side, bytes] of steps) {
          for (let at = 0; at < bytes.length; ) {
            const end = at + (cuts[turn++ % cuts.length] ?? 1)
            cut.push(side, bytes.subarray(at, end))
            at = end
          }
        }
        expect(whole.violation).toBeUndefined()
        expect(told(cut)).toEqual(told(whole))
      },
    ),
  )
})

test('several packets at once, and parts of packets, say the same as each alone', () => {
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 5000 }), (parts, size) => {
      const steps = stepsOf(parts)
      const whole = conversation().say(...steps)
      const joined = conversation()
      for (let at = 0; at < steps.length; ) {
        const side = steps[at]?.[0] ?? '>'
        let next = at
        while (steps[next]?.[0] === side) next++
        const bytes = Buffer.concat(steps.slice(at, next).map(([, packet]) => packet))
        for (let from = 0; from < bytes.length; from += size)
          joined.push(side, bytes.subarray(from, from + size))
        at = next
      }
      expect(told(joined)).toEqual(told(whole))
    }),
  )
})

test('each range has the digest of what passed there, and together they are all that passed', () => {
  fc.assert(
    fc.property(pieces, parts => {
      const written = parts.filter(({ isRead }) => !isRead)
      const talk = conversation().say(...stepsOf(written))
      const content = talk.of('file-close')[0]?.written
      const total = written.reduce((sum, { data }) => sum + data.length, 0)
      expect(content?.bytes).toBe(total)
      if (content?.overlapping === true) return
      const file = Buffer.alloc(4096)
      for (const { offset, data } of written) file.set(data, offset)
      const ranges = content?.ranges ?? [{ from: 0, bytes: total, sha256: content?.sha256 }]
      for (const { from, bytes, sha256: digest } of ranges)
        expect(digest).toBe(sha256(file.subarray(from, from + bytes)))
    }),
  )
})

test('a file cut into packets and shuffled within the window has its own digest', () => {
  const file = Buffer.from(Array.from({ length: 64 * 1024 }, (_, index) => (index * 7919) & 0xff))
  fc.assert(
    fc.property(
      fc.shuffledSubarray(
        Array.from({ length: 64 }, (_, index) => index),
        { minLength: 64, maxLength: 64 },
      ),
      order => {
        const talk = conversation().opened('/f', 0x1a)
        for (const index of order)
          talk.say(
            [
              '>',
              sftp.write(100 + index, 'h', index * 1024, file.subarray(index * 1024, (index + 1) * 1024)),
            ],
            ['<', sftp.status(100 + index)],
          )
        talk.closed()
        expect(talk.of('file-close')[0]?.written).toEqual({
          bytes: file.length,
          complete: true,
          sha256: sha256(file),
        })
        expect(talk.end().budget.leftBytes).toBe(maxDecodingBytes)
      },
    ),
    { numRuns: 30 },
  )
})

test('no bytes make it throw, and at the end it holds nothing', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 80 }).map(bytes => Buffer.from(bytes)),
    fc
      .tuple(fc.nat({ max: 255 }), fc.uint8Array({ maxLength: 60 }))
      .map(([type, bytes]) => sftp.packet(type, Buffer.from(bytes))),
    fc.constantFrom(
      sftp.init(),
      sftp.version(),
      sftp.open(1, '/f', 3),
      sftp.handle(1, 'h'),
      sftp.read(2, 'h', 5, 9),
      sftp.data(2, Buffer.from('abc')),
      sftp.close(3, 'h'),
      sftp.status(3),
      sftp.write(4, 'h', 9, Buffer.alloc(90)),
    ),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('>' as const, '<' as const), anything), { maxLength: 60 }),
      steps => {
        const talk = conversation()
          .say(...steps)
          .end()
        for (const event of talk.events) expect(jsonOf(event).length).toBeLessThan(1024 * 1024)
        expect(talk.budget.leftBytes).toBe(maxDecodingBytes)
      },
    ),
    { numRuns: 500 },
  )
})
