import fc from 'fast-check'
import { expect, test } from 'vitest'
import { secretScan } from '../../../src/analysis/sql/secret-scan.ts'

const scan = secretScan([])

test.each([
  ["alter role a password 'hunter2'", "alter role a password '[masked]'"],
  [
    "ALTER USER a WITH ENCRYPTED PASSWORD 'hunter2' LOGIN",
    "ALTER USER a WITH ENCRYPTED PASSWORD '[masked]' LOGIN",
  ],
  ["create role a password 'hunt''er2' login", "create role a password '[masked]' login"],
  ["create role a password E'hunter2\\'hunter2'", "create role a password E'[masked]'"],
  ["create role a password U&'hunter2\\0041'", "create role a password U&'[masked]'"],
  ['create role a password $$hunter2$$', 'create role a password $$[masked]$$'],
  ['create role a password $x$ $$hunter2$$ $x$', 'create role a password $x$[masked]$x$'],
  [
    "create role a password /* 'x' /* */ */ -- y'\n 'hunter2'",
    "create role a password /* 'x' /* */ */ -- y'\n '[masked]'",
  ],
  ["alter role a password 'hunt'\n 'er2'", "alter role a password '[masked]'\n '[masked]'"],
  ["alter role a password 'hunter2", "alter role a password '[masked]'"],
  ["alter role a password'hunter2'", "alter role a password'[masked]'"],
  ["alter role a password 'hunter2\\'hunter2'", "alter role a password '[masked]'"],
  [
    "create user mapping for a server b options (user 'x', password 'hunter2')",
    "create user mapping for a server b options (user 'x', password '[masked]')",
  ],
  [
    `alter user mapping for a server b options (set "password" 'hunter2')`,
    `alter user mapping for a server b options (set "password" '[masked]')`,
  ],
  ["copy a from 's3://b' credentials 'aws_secret=hunter2'", "copy a from 's3://b' credentials '[masked]'"],
  [
    "select dblink('host=a password=hunter2 user=b', 'select 1')",
    "select dblink('host=a password=[masked] user=b', 'select 1')",
  ],
  [
    "select dblink('password=''hunter2 hunter2'' host=a', 'select 1')",
    "select dblink('password=[masked] host=a', 'select 1')",
  ],
  ["select dblink('password = hunter2', 'select 1')", "select dblink('password = [masked]', 'select 1')"],
  [
    "create subscription a connection 'postgres://u:hunter2@h/db' publication p",
    "create subscription a connection 'postgres://u:[masked]@h/db' publication p",
  ],
  [
    "do $$ begin alter role a password 'hunter2'; end $$",
    "do $$ begin alter role a password '[masked]'; end $$",
  ],
  [
    "do $a$ begin execute $b$alter role a password 'hunter2'$b$; end $a$",
    "do $a$ begin execute $b$alter role a password '[masked]'$b$; end $a$",
  ],
  [
    "do $$ begin execute 'alter role a password ''hunter2'''; end $$",
    "do $$ begin execute 'alter role a password ''[masked]'''; end $$",
  ],
  [
    "select 1; alter role a password 'hunter2'; select 'kept'",
    "select 1; alter role a password '[masked]'; select 'kept'",
  ],
])('%s is kept as %s', (text, kept) => {
  expect(scan(text)).toBe(kept)
})

test.each([
  "select 'hunter2'",
  'select password from users',
  "select password, 'kept' from users",
  "select 'the password is kept'",
  "alter role a password null; select 'kept'",
  "insert into t (password) values ('kept')",
  "select '-- password' || 'kept'",
  "select 'https://example.com/a:b' as url",
])('nothing is taken out of: %s', text => {
  expect(scan(text)).toBe(text)
})

test('literals that match a pattern of the configuration are taken out, whole', () => {
  const own = secretScan(['sk_live_*', '4111*1111'])
  expect(own("insert into a values ('sk_live_abc', 'x sk_live_abc', $$4111222233331111$$)")).toBe(
    "insert into a values ('[masked]', 'x sk_live_abc', $$[masked]$$)",
  )
  expect(own('select sk_live_abc')).toBe('select sk_live_abc')
})

test('a secret is gone whatever stands around it', () => {
  const blank = fc.constantFrom(' ', '\n', '/* c */', '-- c\n', '\t', ' ')
  const literal = fc.constantFrom(
    "'hunter2'",
    "E'hunter2'",
    "e'hunter2'",
    "U&'hunter2'",
    '$$hunter2$$',
    '$q$hunter2$q$',
    "N'hunter2'",
  )
  const before = fc.constantFrom(
    '',
    "select 'it''s'; ",
    'select "a""b"; ',
    "select E'\\''; ",
    'select $$ $a $$; ',
    "/* ' */ ",
    '-- "\n',
  )
  const word = fc.constantFrom('password', 'PASSWORD', '"password"', 'Password')
  fc.assert(
    fc.property(
      before,
      word,
      fc.array(blank, { minLength: 1, maxLength: 4 }),
      literal,
      (start, name, blanks, value) => {
        expect(scan(`${start}alter role a ${name}${blanks.join('')}${value}`)).not.toContain('hunter2')
      },
    ),
  )
})

test('any text comes back, at most with literals masked', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom(
          "'",
          '"',
          '$$',
          '$a$',
          'password',
          ' ',
          '\\',
          'E',
          '--',
          '/*',
          '*/',
          '\n',
          'x',
          '=',
          '://',
          ':',
          '@',
        ),
      ),
      pieces => {
        const text = pieces.join('')
        expect(typeof scan(text)).toBe('string')
        if (!/password|:\/\//.test(text)) expect(scan(text)).toBe(text)
      },
    ),
  )
})

test('a long text takes a linear scan', () => {
  const text = `select 'password' ${"'x' ".repeat(200_000)}`
  expect(scan(text)).toBe(text)
})

test('a hostile text is scanned in time that grows with its length', () => {
  const tags = Array.from({ length: 400_000 }, (_, index) => `$a${index.toString(36)}$`).join(' ')
  for (const text of [`select '${'://:'.repeat(500_000)}'`, `select password ${tags}`])
    expect(scan(text).length).toBeGreaterThan(0)
})

test('a secret in a dollar quote that nothing closes is masked to the end', () => {
  expect(scan('alter role a password $x$hunter2')).toBe('alter role a password $$[masked]$$')
  expect(scan('select $a$; alter role a password $x$hunter2$x$')).toBe(
    'select $a$; alter role a password $$[masked]$$',
  )
})

test.each([
  ["select '://a:b://c:hunter2@d'", "select '://a:[masked]@d'"],
  ["select '://a:b c://d:hunter2@e'", "select '://a:b c://d:[masked]@e'"],
  ["select '://a:@ ://://b:hunter2@c'", "select '://a:@ ://:[masked]@c'"],
])('of %s the password of the URI is masked', (text, expected) => {
  expect(scan(text)).toBe(expected)
})
