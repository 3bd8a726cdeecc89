import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyOf, isSftpServer, wordsOf } from '../../../src/ssh/copy/command.ts'

const copy = (command: string): unknown => copyOf(Buffer.from(command))

test.each([
  'ls -l',
  'scp',
  'scp /a /b',
  'scp -t -f /x',
  'scp -o ProxyCommand=x -t /x',
  'scp -t /x; id',
  'scp -t "$(id)"',
  "scp -t 'open",
  'rsync /a /b',
  'git status',
  'git-receive-pack /r && id',
  'echo git-upload-pack /r',
  '',
])('%j is none', command => {
  expect(copy(command)).toBeUndefined()
})

test('scp’s legacy protocol is known by its -t and -f', () => {
  expect(copy('scp -t /tmp/x')).toEqual({ program: 'scp', direction: 'to-target', paths: ['/tmp/x'] })
  expect(copy('scp -v -r -p -f -- -a "b c"')).toEqual({
    program: 'scp',
    direction: 'from-target',
    paths: ['-a', 'b c'],
  })
  expect(copy('/usr/bin/scp -rt ~/x')).toMatchObject({ direction: 'to-target', paths: ['~/x'] })
})

test('rsync is known by --server, and its direction by --sender', () => {
  expect(copy('rsync --server -vlogDtpre.iLsfxCIvu . /srv/www/')).toEqual({
    program: 'rsync',
    direction: 'to-target',
    paths: ['/srv/www/'],
  })
  expect(copy('rsync --server --sender -de.LsfxCIvu . /a /b\\ c')).toEqual({
    program: 'rsync',
    direction: 'from-target',
    paths: ['/a', '/b c'],
  })
  expect(copy('rsync --server -s')).toMatchObject({ paths: [] })
})

test('git is known by its two programs', () => {
  expect(copy("git-upload-pack '/srv/it'\\''s.git'")).toEqual({
    program: 'git',
    direction: 'from-target',
    paths: ["/srv/it's.git"],
  })
  expect(copy("git receive-pack '/r'")).toEqual({ program: 'git', direction: 'to-target', paths: ['/r'] })
})

test('sudo in front of them changes nothing', () => {
  expect(copy('sudo rsync --server . /srv')).toMatchObject({ program: 'rsync', paths: ['/srv'] })
  expect(copy('sudo -n -u www rsync --server . /srv')).toMatchObject({ program: 'rsync' })
  expect(copy('sudo')).toBeUndefined()
})

test('the program behind the subsystem is known by its name', () => {
  expect(isSftpServer(Buffer.from('sudo -n /usr/lib/openssh/sftp-server -e'))).toBe(true)
  expect(isSftpServer(Buffer.from('/usr/lib/openssh/sftp-server; id'))).toBe(false)
  expect(isSftpServer(Buffer.from('sftp-server.sh'))).toBe(false)
})

test('whatever is quoted comes back as one word', () => {
  const words = fc.array(fc.string(), { maxLength: 5 })
  fc.assert(
    fc.property(words, list => {
      const text = list.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
      expect(wordsOf(text)).toEqual(list)
    }),
  )
})

test('no bytes make it throw', () => {
  fc.assert(fc.property(fc.uint8Array(), bytes => void copyOf(Buffer.from(bytes))))
})
