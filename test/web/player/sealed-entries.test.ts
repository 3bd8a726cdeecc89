/** What a page finds in an encrypted recording that it opened itself. */
import { expect, test } from 'vitest'
import type { EventRecord } from '../../../src/recorder/event.ts'
import { SealedEntries } from '../../../web/app/player/sealed-entries.ts'

function told(type: string, fields: object = {}): EventRecord['event'] {
  return { type, fields: { type, channel: 0, ...fields } }
}
const output = (text: string): EventRecord['event'] => ({
  type: 'output',
  channel: 0,
  data: Buffer.from(text),
})

function found(events: readonly EventRecord['event'][]) {
  const entries = new SealedEntries('s', 1_000_000)
  entries.take(events.map((event, index) => ({ sequence: index + 1, us: index * 1_000_000, event })))
  return entries.end()
}

test('an exec request is a command with its exit status, and its output is there to search in', () => {
  const { commands, screens } = found([
    told('channel-open'),
    told('exec', { command: 'cat /etc/shadow' }),
    output('root:*:19000\n'),
    told('exit-status', { status: 3 }),
    told('channel-close'),
  ])
  expect(commands).toMatchObject([
    { text: 'cat /etc/shadow', offsetMs: 1000, atMs: 1_001_000, detail: { found: 'exec', exitStatus: 3 } },
  ])
  expect(screens.map(({ text }) => text).join('\n')).toContain('root:*:19000')
})

test('the client and the certificate that was minted are facts', () => {
  const { facts } = found([
    told('client', { software: 'SSH-2.0-OpenSSH_9.2p1' }),
    told('credential', { credential: 'ssh-certificate', serial: '42', validFromMs: 0, validUntilMs: 60_000 }),
  ])
  expect(facts).toEqual([
    { name: 'client', value: 'SSH-2.0-OpenSSH_9.2p1' },
    { name: 'certificate serial', value: '42' },
    { name: 'certificate lifetime', value: '60 s, until 1970-01-01 00:01:00 UTC' },
  ])
})

test('what passwords were in commands is masked, as in recordings that the gateway reads', () => {
  const { commands } = found([told('exec', { command: 'mysql --password=hunter22 -u root' })])
  expect(commands[0]?.text).not.toContain('hunter22')
})
