import { expect, test } from 'vitest'
import { Viewer } from '../../src/cli/watch.ts'

function shown(lines: readonly object[], options: { channel?: string; json?: boolean } = {}): string {
  let text = ''
  const viewer = new Viewer(options, part => void (text += part))
  for (const line of lines) viewer.take(JSON.stringify(line))
  viewer.close()
  return text
}

const bytes = (text: string, channel = 0) => ({
  us: 1,
  event: { type: 'output', channel, base64: Buffer.from(text).toString('base64') },
})

test('what a target prints cannot act on the terminal of who watches', () => {
  const text = shown([
    bytes('a\x1b]52;c;ZXZpbA==\x07b\x1b[6n\x1b[31mc'),
    bytes('\x1bP+q544e'),
    bytes('\x1b\\d'),
  ])
  expect(text).toBe('ab\x1b[31mcd')
})

test('names and reasons of people and targets are one line in which nothing acts', () => {
  const row = { principalName: 'eve\x1b[2J', login: 'root\u202e', target: 'web1', openedAtMs: 0 }
  const text = shown([
    { session: row },
    { us: 1, event: { type: 'exec', channel: 0, command: 'ls\r\x1b[A' } },
  ])
  expect(text).not.toMatch(/\x1b|\u202e/)
  expect(text.split('── ')).toHaveLength(3)
})

test('only the channel that was asked for is shown', () => {
  expect(shown([bytes('a', 0), bytes('b', 1)], { channel: '1' })).toBe('b')
  expect(() => shown([], { channel: 'x' })).toThrow('--channel must be a number')
})

test('statements are shown with their results, the last one as soon as nothing more comes of it', () => {
  const text = shown([
    { us: 1e6, event: { type: 'statement', statement: 1, how: 'simple', text: 'select 1' } },
    { us: 2e6, event: { type: 'result', statement: 1, part: 0, status: 'done', tag: 'SELECT 1', rows: 1 } },
    { us: 3e6, event: { type: 'statement', statement: 2, how: 'simple', text: 'select\x1b[2J pg_sleep(9)' } },
  ])
  expect(text).toContain('select 1')
  expect(text).toContain('SELECT 1')
  expect(text).toContain('pg_sleep(9)')
  expect(text).not.toContain('\x1b')
})

test('scripts get the lines as they come', () => {
  const line = bytes('a\x1b[6n')
  expect(shown([line], { json: true })).toBe(`${JSON.stringify(line)}\n`)
})
