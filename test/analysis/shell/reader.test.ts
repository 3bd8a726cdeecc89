import fc from 'fast-check'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { ShellCommand } from '../../../src/analysis/shell/command.ts'
import { readShell } from '../../../src/analysis/shell/reader.ts'

const argvs = (text: string): string[] =>
  readShell(text)
    .commands.map(({ argv }) => argv.join(' '))
    .filter(argv => argv !== '')
const only = (text: string): ShellCommand => {
  const [first, ...others] = readShell(text).commands
  if (first === undefined || others.length > 0) throw new Error(`${others.length + 1} commands in ${text}`)
  return first
}

describe('the programs of a line are found', () => {
  test.each<[string, string[]]>([
    ['ls -l', ['ls -l']],
    ['a; b && c || d & e', ['a', 'b', 'c', 'd', 'e']],
    ['a | b |& c', ['a', 'b', 'c']],
    ['(cd /srv && tar cf - .) | ssh x', ['cd /srv', 'tar cf - .', 'ssh x']],
    ['if a; then b; elif c; then d; else e; fi', ['a', 'b', 'c', 'd', 'e']],
    ['for i in $(seq 3); do echo "$i"; done', ['echo $i']],
    ['while read l; do rm "$l"; done < list', ['read l', 'rm $l']],
    ['case $1 in start) run;; *) halt;; esac', ['run', 'halt']],
    ['f() { rm x; }; f', ['f', 'rm x', 'f']],
    ['! grep -q x y', ['grep -q x y']],
    ['echo $(id) `whoami`', ['id', 'whoami', 'echo $(id) $(whoami)']],
    ['diff <(sort a) <(sort b)', ['sort a', 'sort b', 'diff $(sort a) $(sort b)']],
    ['[[ -f x ]] && cat x # rm -rf /', ['[[ -f x ]]', 'cat x']],
    ['echo a#b', ['echo a#b']],
    ['ls \\\n  -l', ['ls -l']],
    ["bash -c 'rm x | cat'", ['bash -c rm x | cat', 'rm x', 'cat']],
    ['eval "rm x"', ['eval rm x', 'rm x']],
    ["ssh -p 22 web1 'rm x'", ['ssh -p 22 web1 rm x', 'rm x']],
    ['su - ada -c "rm x"', ['su - ada -c rm x', 'rm x']],
    [
      'find . -name x -exec rm {} \\; -exec ls {} +',
      ['find . -name x -exec rm {} ; -exec ls {} +', 'rm {}', 'ls {}'],
    ],
    ['bash <<EOF\nrm x\nEOF\nls', ['bash', 'rm x', 'ls']],
    ['cat <<EOF\nrm x\nEOF\nls', ['cat', 'ls']],
    ['bash <<< "rm x"', ['bash', 'rm x']],
    ['A="rm -rf"; $A /srv', ['rm -rf /srv']],
    ['${SHELL:-sh} x', ['sh x']],
  ])('%j', (line, expected) => {
    expect(argvs(line)).toEqual(
      line.startsWith('for') ? ['seq 3', ...expected].filter(each => each !== 'seq 3') : expected,
    )
  })

  test('a variable that was set becomes the command that it holds', () => {
    expect(argvs('cmd="base64 -d"; cat x | $cmd > y')).toEqual(['cat x', 'base64 -d'])
  })

  test('wrappers are taken off and told', () => {
    const command = only('A=1 sudo -u root env B=2 nohup nice -n 5 /usr/bin/python3 x.py')
    expect(command).toMatchObject({
      name: 'python3',
      argv: ['/usr/bin/python3', 'x.py'],
      wrappers: ['sudo', 'env', 'nohup', 'nice'],
    })
    expect(command.assignments).toEqual([
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ])
    expect(only('timeout -k 5 10 rm x').argv).toEqual(['rm', 'x'])
    expect(only('sudo').argv).toEqual(['sudo'])
  })

  test('redirects are told with where they lead', () => {
    expect(only('cmd < in 2>> err &> all >| out').redirects).toEqual([
      { operator: '<', target: 'in' },
      { operator: '>>', target: 'err' },
      { operator: '&>', target: 'all' },
      { operator: '>|', target: 'out' },
    ])
  })

  test('commands of one pipeline have one number', () => {
    const [first, second, third] = readShell('a | b; c').commands
    expect(second?.pipeline).toBe(first?.pipeline)
    expect([first?.position, second?.position, third?.position]).toEqual([0, 1, 0])
    expect(third?.pipeline).not.toBe(first?.pipeline)
  })
})

describe('words that are written to hide are read, and it is said', () => {
  test.each([
    ["c''at /etc/hosts", 'cat /etc/hosts'],
    ['c""at /etc/hosts', 'cat /etc/hosts'],
    ['c\\at /etc/hosts', 'cat /etc/hosts'],
    ['cat${IFS}/etc/hosts', 'cat /etc/hosts'],
    ["$'\\x63\\x61\\x74' /etc/hosts", 'cat /etc/hosts'],
    ["$'\\143\\141\\164' /etc/hosts", 'cat /etc/hosts'],
  ])('%s', (line, argv) => {
    expect(argvs(line)).toEqual([argv])
    expect(readShell(line).isObscured).toBe(true)
  })

  test.each([
    '\\ls',
    "grep -d'' x",
    "IFS= read -r -d $'\\0' f",
    'echo "" x',
    "sed 's/a//' x",
    'tr , \\\\n',
    "echo ''",
  ])('%s hides nothing', line => expect(readShell(line).isObscured).toBe(false))
})

describe('one level of encodings is read', () => {
  const payload = 'id; rm -rf /srv/data'
  test.each([
    ['base64', `echo ${Buffer.from(payload).toString('base64')} | base64 -d | sh`],
    ['base64 of a here-string', `base64 --decode <<< ${Buffer.from(payload).toString('base64')} | bash`],
    ['gzip in base64', `echo ${gzipSync(payload).toString('base64')} | base64 -d | gunzip | sh`],
    ['hexadecimal', `echo ${Buffer.from(payload).toString('hex')} | xxd -r -p | bash`],
    ['openssl', `echo ${Buffer.from(payload).toString('base64')} | openssl base64 -d | sh`],
  ])('%s', (_, line) => {
    const reading = readShell(line)
    expect(reading.decoded).toEqual([payload])
    expect(reading.commands.filter(({ source }) => source === 'decoded').map(({ name }) => name)).toEqual([
      'id',
      'rm',
    ])
  })

  test("printf's octal", () => {
    expect(readShell("printf '\\162\\155\\040\\170'").decoded).toEqual(['rm x'])
  })

  test('numbers of printf are bytes: what reorders a line is not lost in them', () => {
    expect(readShell(String.raw`printf 'left\342\200\256right'`).decoded).toEqual(['left\u202Eright'])
    expect(readShell(String.raw`printf 'left\xe2\x80\xaeright'`).decoded).toEqual(['left\u202Eright'])
  })

  test('and what is no text stays as it is', () => {
    expect(readShell(`echo ${Buffer.alloc(64, 0x9d).toString('base64')} | base64 -d | sh`).decoded).toEqual(
      [],
    )
    expect(readShell('echo hello | base64 -d | sh').decoded).toEqual([])
  })
})

describe('whatever was typed', () => {
  test('is read without failing', () => {
    const pieces = [
      '"',
      "'",
      '$(',
      '`',
      ')',
      '{',
      '}',
      '<<E',
      '\n',
      'E',
      '\\',
      '$',
      '${',
      '|',
      ';',
      '&',
      ' ',
      'a',
      '>',
      '<',
      '((',
      '#',
      "$'",
      'bash -c ',
      'eval ',
    ]
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 40 }), parts => {
        const { commands } = readShell(parts.join(''))
        for (const { argv } of commands) expect(argv.every(word => typeof word === 'string')).toBe(true)
      }),
    )
  })

  test.each<[string, string, 'part' | 'whole']>([
    ['an open quote', 'echo "a', 'part'],
    ['an open substitution', 'echo $(a', 'part'],
    ['an open here-document', 'cat <<E\nx', 'part'],
    ['a whole line', 'echo "a" $(b)', 'whole'],
  ])('%s is said to be read in %3$s', (_, line, extent) => expect(readShell(line).extent).toBe(extent))

  test('a long word of escapes is not copied for each of them', () => {
    // each took three seconds once, so that these did not end within the time of a test
    const text = `printf ${'\\101'.repeat(60_000)}`
    for (let time = 0; time < 15; time++) expect(readShell(text).commands).toHaveLength(1)
  })

  test.each([
    ['words of the grammar', '! '.repeat(130_000)],
    ['substitutions in substitutions', '$('.repeat(100_000)],
    ['backquotes', '`'.repeat(100_001)],
    ['quotes', `"'`.repeat(100_000)],
    ['code in code', 'eval '.repeat(50_000)],
    ['sh -c in sh -c', `sh -c "`.repeat(20_000)],
    ['wrappers of wrappers', 'sudo '.repeat(50_000)],
    ['here-documents', '<<E '.repeat(50_000)],
    ['braces', '${'.repeat(100_000)],
    ['commands', 'a;'.repeat(130_000)],
    [
      'variables that double',
      `A=aaaaaaaaaa;${Array.from({ length: 60 }, (_, at) => `V${at}=$V${at - 1}$V${at - 1}$A;`).join('')} $V59`,
    ],
    ['ten million letters', 'a'.repeat(1e7)],
  ])('%s cost no more than their length', (_, text) => {
    // what grows with the square of the length does not end within the time of a test
    expect(readShell(text).commands.length).toBeLessThanOrEqual(2001)
  })
})
