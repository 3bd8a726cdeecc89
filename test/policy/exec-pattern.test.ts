import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesExec } from '../../src/policy/exec-pattern.ts'

const matches = (pattern: string, command: string) => matchesExec([pattern], Buffer.from(command))

test('a wildcard never matches what a shell gives a meaning to', () => {
  for (const special of [
    ';',
    '&',
    '|',
    '`',
    '$',
    '(',
    ')',
    '<',
    '>',
    '\n',
    '\r',
    '\0',
    '\t',
    ' ',
    '"',
    "'",
    '\\',
    '{',
    '}',
    '[',
    ']',
    '*',
    '?',
    '~',
    '!',
    '#',
    '^',
    '\u001b',
    '\u00a0',
    '\u2028',
    '\u202e',
    '\ufeff',
  ]) {
    expect(
      matches('systemctl restart app-*', `systemctl restart app-x${special}`),
      JSON.stringify(special),
    ).toBe(false)
    expect(
      matches('systemctl restart app-?', `systemctl restart app-${special}`),
      JSON.stringify(special),
    ).toBe(false)
  }
})

test('a second command, a substitution, a redirection or another argument cannot be added', () => {
  for (const more of ['; rm -rf /', ' && id', '$(id)', '`id`', '\nid', ' > /etc/passwd', ' sshd', '|sh', '&'])
    expect(matches('systemctl restart app-*', `systemctl restart app-x${more}`)).toBe(false)
})

test('an option cannot be slipped in where a word was meant', () => {
  expect(matches('tar xf *', 'tar xf --use-compress-program=x')).toBe(false)
  expect(matches('cat ?*', 'cat -n')).toBe(false)
  expect(matches('tar xf *', 'tar xf a-b.tar')).toBe(true)
  expect(matches('rsync --server -* . /backup', 'rsync --server -vlogDtpr . /backup')).toBe(true)
})

test('a wildcard does not climb to the parent folder', () => {
  for (const path of ['../../etc/shadow', '..', 'a/../../x', 'x/..'])
    expect(matches('cat /var/log/*', `cat /var/log/${path}`), path).toBe(false)
  expect(matches('cat /var/log/*', 'cat /var/log/app/x..log')).toBe(true)
  expect(matches('cat ../*', 'cat ../x')).toBe(true)
})

test('bytes that are not UTF-8 match nothing', () => {
  expect(matchesExec(['ls *'], Buffer.from([0x6c, 0x73, 0x20, 0xff]))).toBe(false)
  expect(matchesExec(['ls ?'], Buffer.from([0x6c, 0x73, 0x20, 0xc0, 0xaf]))).toBe(false)
})

test('the whole command counts, to the byte', () => {
  expect(matches('uptime', 'uptime')).toBe(true)
  for (const other of ['uptime ', ' uptime', 'uptime\n', 'uptime\0', 'Uptime', '\ufeffuptime', 'upt', ''])
    expect(matches('uptime', other), JSON.stringify(other)).toBe(false)
})

test('what the pattern says literally matches itself, metacharacters too', () => {
  expect(matches("git-upload-pack '/srv/*.git'", "git-upload-pack '/srv/a/b.git'")).toBe(true)
  expect(matches("git-upload-pack '/srv/*.git'", "git-upload-pack '/srv/a.git'; id; 'x.git'")).toBe(false)
  expect(matches('a; b', 'a; b')).toBe(true)
  expect(matches('a.b', 'axb')).toBe(false)
})

test('a star may stand for nothing, a question mark may not', () => {
  expect(matches('app-*', 'app-')).toBe(true)
  expect(matches('app-?', 'app-')).toBe(false)
  expect(matches('app-?', 'app-é')).toBe(true)
  expect(matches('app-?', 'app-🙂')).toBe(true)
  expect(matches('a*b*c', 'aXbYbZc')).toBe(true)
})

test('no patterns match nothing', () => {
  expect(matchesExec([], Buffer.from('ls'))).toBe(false)
})

test('a long command that almost matches many stars costs little', () => {
  expect(matches(`x${'*a'.repeat(20)}b`, `x${'a'.repeat(16_000)}`)).toBe(false)
  expect(matches('x*', `x${'a'.repeat(17_000)}`)).toBe(false)
})

test('whatever a wildcard matched is one plain word', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), tail => {
      if (matches('run x*', `run x${tail}`)) expect(tail).not.toMatch(/[;&|`$()<>'"\\{}[\]*?~!#^\s]/)
    }),
    { numRuns: 1000 },
  )
})

test('without special characters it is an ordinary glob', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 })
  fc.assert(
    fc.property(letters, text, (pattern, command) => {
      const regex = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`)
      expect(matches(pattern, command)).toBe(regex.test(command))
    }),
  )
})
