import { describe, expect, test } from 'vitest'
import { Transcript } from '../../../src/analysis/transcript/transcript.ts'
import type { EventRecord, ReadEvent } from '../../../src/recorder/event.ts'

/** What is asked for by programs that people know, as they ask. */
const prompts = [
  '[sudo] password for dana: ',
  'Password: ',
  'password for root@web1: ',
  "dana@db1's password: ",
  '(dana@db1) Password: ',
  "Enter passphrase for key '/home/dana/.ssh/id_ed25519': ",
  'Password for user postgres: ',
  'Enter password: ',
  'doas (dana@web1) password: ',
  '(current) UNIX password: ',
  'New password: ',
  'Retype new password: ',
  "Password for 'https://dana@git.example.com': ",
  'Vault token (will be hidden): ',
  'Enter PIN for authenticator: ',
  'Verification code: ',
  'One-time password (OATH) for dana: ',
  'OTP code? ',
  'Enter Master Password? ',
  'LUKS passphrase for /dev/sdb1: ',
  'Secret key: ',
  'API key? ',
  'Password> ',
  'passphrase>',
  'Enter PIN > ',
  'Passwort: ',
  'Mot de passe : ',
  'Contraseña: ',
]

const secret = 'hunter2-Tr0ub4dor'
const shell = 'dana@web1:~$ '
const [on, off] = ['\x1b[?2004h', '\x1b[?2004l\r']
const tmux = '\x1b[?1049h\x1b[H\x1b[2J\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1005l'

/** Where people are asked: what opens such a place, what a shell says when it begins to read a line and when it has one. */
const places = {
  'at a shell': { enter: '', begin: '', end: '' },
  'at a shell with an editor': { enter: '', begin: on, end: off },
  'inside tmux': { enter: tmux, begin: on, end: off },
}

/** What the terminal shows of a key. */
const echoes: Readonly<Record<string, (text: string) => string>> = {
  'shows nothing': () => '',
  'shows stars': text => '*'.repeat(text.length),
  'shows bullets': text => '●'.repeat(text.length),
  'shows all of it': text => text,
}

describe('a secret is in no command', () => {
  for (const [place, { enter, begin, end }] of Object.entries(places))
    for (const [what, echo] of Object.entries(echoes))
      test(`${place}, where the program that asks ${what}`, () => {
        for (const prompt of prompts)
          for (const isPasted of [false, true]) {
            const said = everything([
              shown(enter + begin + shell),
              ...keys('ask me', text => text),
              ...pressed(`\r\n${end}${prompt}`),
              ...(isPasted ? pasted(secret, echo) : keys(secret, echo)),
              ...pressed(`\r\nthank you\r\n${begin}${shell}`),
              ...keys('ls', text => text),
              ...pressed(`\r\n${end}notes\r\n${begin}${shell}`),
              counted(1),
            ])
            expect(said, prompt).not.toContain(secret)
            expect(said, prompt).not.toContain('hunter2')
            expect(said, prompt).toContain('"ls"')
          }
      })

  test('typed at a prompt of the shell itself while echo is off', () => {
    const events = [shown(shell), ...keys(secret, () => ''), ...pressed(`\r\nsh: 1: not found\r\n${shell}`)]
    expect(everything([...events, ...keys('ls', text => text), ...pressed('\r\n')])).not.toContain(secret)
  })

  test('that a program shows behind a copy of the prompt after it was typed without echo', () => {
    for (const { enter, begin, end } of Object.values(places)) {
      const evil = `\r\n${shell}${secret}\r\n${shell}${secret}\r\n`
      const said = everything([
        shown(enter + begin + shell),
        ...keys('evil', text => text),
        ...pressed(`\r\n${end}`),
        ...keys(secret, () => ''),
        ...pressed(evil + begin + shell),
        ...keys('ls', text => text),
        ...pressed(`\r\n${end}${begin}${shell}`),
        counted(1),
      ])
      expect(said).not.toContain(secret)
    }
  })

  test('typed ahead of the program that will ask for it', () => {
    for (const { enter, begin, end } of Object.values(places)) {
      const said = everything([
        shown(enter + begin + shell),
        ...keys('sudo ls', text => text),
        ...pressed(`\r\n${end}`),
        ...pasted(`${secret}\r`, () => ''),
        shown(`[sudo] password for dana: \r\nnotes\r\n${begin}${shell}`),
        ...keys('pwd', text => text),
        ...pressed(`\r\n${end}/root\r\n${begin}${shell}`),
        counted(1),
      ])
      expect(said).not.toContain(secret)
      expect(said).toContain('"pwd"')
    }
  })
})

describe('a secret that the terminal shows because it was typed too early', () => {
  const plain = '$ '
  for (const [place, { enter }] of Object.entries(places))
    for (const prompt of ['Password: ', '[sudo] password for dana: ', 'Verification code: '])
      test(`is in no command: ${place}, "${prompt}"`, () => {
        const said = everything([
          shown(enter + plain),
          ...keys('pwd', text => text),
          ...pressed(`\r\n/root\r\n${plain}`),
          ...pasted(`ask\r${secret}\rls\r`, text => text.replaceAll('\r', '\r\n')),
          shown(`${prompt}\r\nthank you\r\n${plain}notes\r\n${plain}`),
          ...keys('id', text => text),
          ...pressed(`\r\n0\r\n${plain}`),
          counted(1),
        ])
        expect(said).not.toContain(secret)
        expect(said).toContain('"id"')
      })

  test('is in no command where the program that reads it says nothing, and the shell asks once', () => {
    const said = everything([
      shown(plain),
      ...keys('pwd', text => text),
      ...pressed(`\r\n/root\r\n${plain}`),
      ...keys('sleep 3', text => text),
      ...pressed('\r\n'),
      ...pasted(`${secret}\r`, text => text.replaceAll('\r', '\r\n')),
      ...pasted('ls\r', text => text.replaceAll('\r', '\r\n')),
      shown(`${plain}notes\r\n${plain}`),
      ...keys('id', text => text),
      ...pressed(`\r\n0\r\n${plain}`),
    ])
    expect(said).not.toContain(secret)
    expect(said).toContain('"ls"')
  })
})

/** All that is told of a session, also while it runs, as one text. */
function everything(events: readonly ReadEvent[]): string {
  const transcript = new Transcript()
  const told: unknown[] = []
  for (const record of recordsOf([...opened, ...events]))
    told.push(transcript.take(record), transcript.running())
  return JSON.stringify([told, transcript.end()])
}

const channel = 3
const opened: readonly ReadEvent[] = [
  { type: 'pty', fields: { type: 'pty', channel, term: 'xterm', columns: 90, rows: 24 } },
  { type: 'shell', fields: { type: 'shell', channel } },
]

function recordsOf(events: readonly ReadEvent[]): EventRecord[] {
  return events.map((event, index) => ({ sequence: index + 1, us: index * 1000, event }))
}

function shown(text: string): ReadEvent {
  return { type: 'output', channel, data: Buffer.from(text) }
}

function counted(bytes: number): ReadEvent {
  return { type: 'input-count', fields: { type: 'input-count', channel, bytes } }
}

function keys(text: string, echo: (text: string) => string): ReadEvent[] {
  return Array.from(text, key => [counted(1), shown(echo(key))]).flat()
}

function pasted(text: string, echo: (text: string) => string): ReadEvent[] {
  return [counted(text.length), shown(echo(text))]
}

/** Enter, and what follows it. */
function pressed(after: string): ReadEvent[] {
  return [counted(1), shown(after)]
}
