import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FileEvent } from '../../../src/recorder/file-event.ts'
import { ScpDecoder } from '../../../src/ssh/copy/scp.ts'
import { Transfer } from '../../../src/ssh/copy/transfer.ts'

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex')

type Step = readonly ['>' | '<', string]

/** `>` from the client, `<` from the target; each string in pieces of `size` bytes. */
function talk(direction: 'to-target' | 'from-target', steps: readonly Step[], size = 1000): FileEvent[] {
  const decoder = new ScpDecoder(1, direction)
  const events: FileEvent[] = []
  for (const [side, text] of steps) {
    const bytes = Buffer.from(text, 'latin1')
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size)
      events.push(...(side === '>' ? decoder.fromClient(piece) : decoder.fromTarget(piece)))
    }
  }
  return [...events, ...decoder.end()]
}

const upload: readonly Step[] = [
  ['<', '\0'],
  ['>', 'T1700000000 0 1700000001 0\n'],
  ['<', '\0'],
  ['>', 'D0755 0 folder\n'],
  ['<', '\0'],
  ['>', 'C0644 5 name with blanks\n'],
  ['<', '\0'],
  ['>', 'hello\0'],
  ['<', '\0'],
  ['>', 'C0600 0 empty\n'],
  ['<', '\0'],
  ['>', '\0'],
  ['<', '\0'],
  ['>', 'E\n'],
  ['<', '\0'],
]

describe('a stream that is not scp’s is not described, and says so:', () => {
  const broken: readonly [string, readonly Step[], string][] = [
    [
      'an unknown record',
      [
        ['<', '\0'],
        ['>', 'X0644 5 x\n'],
      ],
      'a record is none that scp knows',
    ],
    [
      'a name with a path',
      [
        ['<', '\0'],
        ['>', 'C0644 5 ../x\n'],
      ],
      'a record is none that scp knows',
    ],
    [
      'a name that is the parent',
      [
        ['<', '\0'],
        ['>', 'D0755 0 ..\n'],
      ],
      'a record names no file',
    ],
    ['a source that does not wait', [['>', 'C0644 5 x\n']], 'the source did not wait for an answer'],
    [
      'content that goes on',
      [
        ['<', '\0'],
        ['>', 'C0644 1 x\n'],
        ['<', '\0'],
        ['>', 'ab'],
      ],
      'content does not end where it should',
    ],
    [
      'a folder that ends before it begins',
      [
        ['<', '\0'],
        ['>', 'E\n'],
      ],
      'a folder ends that has not begun',
    ],
    [
      'an answer of another kind',
      [['<', 'bash: scp: command not found\n']],
      'an answer is none that scp knows',
    ],
    ['an answer to nothing', [['<', '\0\0']], 'an answer came to nothing'],
    [
      'a record without end',
      [
        ['<', '\0'],
        ['>', 'C'.repeat(20_000)],
      ],
      'a record is too long',
    ],
    ['an answer without end', [['<', `\x01${'x'.repeat(20_000)}`]], 'an answer is too long'],
  ]

  test.each(broken)('%s', (_, steps, reason) => {
    const events = talk('to-target', steps)
    expect(events.at(-1)).toEqual({ type: 'file-problem', channel: 1, from: expect.any(String), reason })
  })
})

test('an upload is told file by file, with folders, modes and times', () => {
  expect(talk('to-target', upload)).toEqual([
    {
      type: 'file-operation',
      channel: 1,
      operation: 'make-directory',
      path: 'folder',
      attributes: { permissions: '0755', modifiedAt: 1_700_000_000, accessedAt: 1_700_000_001 },
      status: 'ok',
    },
    {
      type: 'file-open',
      channel: 1,
      file: 1,
      operation: 'copy-to-target',
      path: 'folder/name with blanks',
      attributes: { size: 5, permissions: '0644' },
    },
    {
      type: 'file-close',
      channel: 1,
      file: 1,
      path: 'folder/name with blanks',
      status: 'ok',
      written: { bytes: 5, complete: true, sha256: sha256('hello') },
      keptAt: 67,
    },
    expect.objectContaining({ type: 'file-open', path: 'folder/empty' }),
    expect.objectContaining({ written: { bytes: 0, complete: true, sha256: sha256('') } }),
  ])
})

test('a download is told the same way, with the sides exchanged', () => {
  const steps = upload.map(([side, text]) => [side === '>' ? '<' : '>', text] as const)
  const events = talk('from-target', steps)
  expect(events[2]).toMatchObject({ type: 'file-close', read: { sha256: sha256('hello') } })
})

test('a file that the sink refuses has no content; the next one does', () => {
  const events = talk('to-target', [
    ['<', '\0'],
    ['>', 'C0644 5 a\n'],
    ['<', '\x01scp: a: Permission denied\n'],
    ['>', 'C0644 2 b\n'],
    ['<', '\0'],
    ['>', 'hi\0'],
    ['<', '\0'],
  ])
  expect(events).toEqual([
    expect.objectContaining({
      type: 'file-operation',
      operation: 'copy',
      path: 'a',
      status: 'failure',
      message: 'scp: a: Permission denied',
    }),
    expect.objectContaining({ type: 'file-open', path: 'b' }),
    expect.objectContaining({ type: 'file-close', path: 'b', status: 'ok' }),
  ])
})

test('content that the source could not read, or the sink not write, is not complete', () => {
  const start: readonly Step[] = [
    ['<', '\0'],
    ['>', 'C0644 2 a\n'],
    ['<', '\0'],
  ]
  const unread = talk('to-target', [...start, ['>', 'hi\x01scp: a: I/O error\n'], ['<', '\0']])
  expect(unread.at(-1)).toMatchObject({
    status: 'failure',
    message: 'scp: a: I/O error',
    written: { complete: false },
  })
  const unwritten = talk('to-target', [...start, ['>', 'hi\0'], ['<', '\x01scp: a: No space left\n']])
  expect(unwritten.at(-1)).toMatchObject({
    status: 'failure',
    message: 'scp: a: No space left',
    written: { complete: false },
  })
})

test('a file that is cut off says how far it came', () => {
  const events = talk('to-target', [
    ['<', '\0'],
    ['>', 'C0644 9 a\n'],
    ['<', '\0'],
    ['>', 'hi'],
  ])
  expect(events.at(-1)).toMatchObject({
    status: 'not closed',
    written: { bytes: 2, complete: false, sha256: sha256('hi') },
  })
})

test('names that are not UTF-8 stay byte for byte', () => {
  const events = talk('to-target', [
    ['<', '\0'],
    ['>', 'C0644 0 caf\xe9\n'],
    ['<', '\0'],
  ])
  expect(events[0]).toMatchObject({ pathBase64: Buffer.from('caf\xe9', 'latin1').toString('base64') })
})

test('how the streams were cut never shows', () => {
  const whole = talk('to-target', upload)
  for (let size = 1; size < 12; size++) expect(talk('to-target', upload, size)).toEqual(whole)
})

test('no bytes make it throw', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\0', 'C0644 3 a\n', 'abc\0', 'D0755 0 d\n', 'E\n', '\x01no\n', 'T1 0 1 0\n'),
  )
  const step = fc.tuple(fc.constantFrom('>' as const, '<' as const), piece)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => void talk('to-target', steps)),
    { numRuns: 500 },
  )
})

test('rsync and git are described by names and bytes', () => {
  const transfer = new Transfer(3, { program: 'git', direction: 'to-target', paths: ['/r'] })
  expect(transfer.fromClient(Buffer.alloc(5))).toEqual([])
  transfer.fromTarget(Buffer.alloc(7))
  expect(transfer.end()).toEqual([
    {
      type: 'transfer',
      channel: 3,
      program: 'git',
      direction: 'to-target',
      paths: ['/r'],
      inputBytes: 5,
      outputBytes: 7,
    },
  ])
})
