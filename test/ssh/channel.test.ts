import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ChannelEnd, RelayChannel } from '../../src/ssh/channel.ts'
import { maxPendingReplies } from '../../src/ssh/reply-queue.ts'

const quietly = { passesOn: true, settled: () => {} }

describe('an end of a channel', () => {
  test('may not send before it was granted anything', () => {
    expect(() => new ChannelEnd().spend(1)).toThrow('window')
  })

  test('may not send a message larger than the packets of the other end, whatever its window', () => {
    const end = new ChannelEnd()
    end.grant(1000)
    end.maxPacketBytes = 10
    expect(() => end.spend(11)).toThrow('window')
    end.spend(10)
    expect(end.allowanceBytes).toBe(990)
  })

  test('is granted 2^32 - 1 bytes and not one more', () => {
    const end = new ChannelEnd()
    end.grant(0xffff_ffff)
    expect(() => end.grant(1)).toThrow('too large')
    end.grant(0)
  })

  test('may not send after its end of file, nor after its close, not even nothing', () => {
    for (const flag of ['sentEndOfFile', 'sentClose'] as const) {
      const end = new ChannelEnd()
      end[flag] = true
      expect(() => end.spend(0)).toThrow('after its end')
    }
  })

  test('is not told of room that bytes of ours have taken, and has all of it again once that is paid', () => {
    const end = new ChannelEnd()
    end.grant(20_000)
    expect(end.addOurs(100)).toBe(true)
    expect(end.allowanceBytes).toBe(20_000)
    expect(end.afterOurs(60)).toBe(0)
    expect(end.afterOurs(60)).toBe(20)
    expect(end.afterOurs(60)).toBe(60)
  })

  test('gets no bytes of ours where its window is small, nor without end', () => {
    const narrow = new ChannelEnd()
    narrow.grant(1000)
    expect(narrow.addOurs(10)).toBe(false)
    const end = new ChannelEnd()
    end.grant(1_000_000)
    let added = 0
    while (end.addOurs(100)) added += 100
    expect(added).toBeLessThanOrEqual(4096)
  })

  test('gets our own replies at once when nothing waits, and in turn otherwise', () => {
    const end = new ChannelEnd()
    const log: string[] = []
    end.replyOurselves(() => log.push('first'))
    end.awaitReply(quietly)
    end.replyOurselves(() => log.push('second'))
    end.awaitReply(quietly)
    end.replyOurselves(() => log.push('third'))
    expect(log).toEqual(['first'])
    end.takeReply()
    end.runOurs()
    expect(log).toEqual(['first', 'second'])
    end.takeReply()
    end.runOurs()
    expect(log).toEqual(['first', 'second', 'third'])
    expect(() => end.takeReply()).toThrow('nobody asked')
  })

  test('may not make us remember replies without end, our own included', () => {
    const end = new ChannelEnd()
    end.awaitReply(quietly)
    for (let n = 1; n < maxPendingReplies; n++) end.replyOurselves(() => {})
    expect(() => end.replyOurselves(() => {})).toThrow('Too many')
    expect(() => end.awaitReply(quietly)).toThrow('Too many')
  })
})

describe('what the recording gets', () => {
  test('at the end of a channel: that a line was entered and never shown, by its length alone', () => {
    const channel = new RelayChannel(0)
    channel.settleTerminal(true)
    channel.recordInput(Buffer.from('hidden\r'))
    expect(channel.endTyping()).toEqual([{ type: 'unechoed-line', channel: 0, characters: 6 }])
  })

  test('of errors and output is limited for each stream by itself', () => {
    const channel = new RelayChannel(3)
    expect(channel.recordOutput('output', Buffer.alloc(10), 10)).toMatchObject([
      { type: 'output', channel: 3 },
    ])
    expect(channel.recordOutput('error-output', Buffer.alloc(10), 10)).toMatchObject([
      { type: 'error-output' },
    ])
    expect(channel.recordOutput('output', Buffer.alloc(1), 10)).toMatchObject([
      { type: 'progress', stream: 'output', bytes: 11, from: 10 },
    ])
  })

  test('past the limit is a running digest of every byte from there on', () => {
    const channel = new RelayChannel(0)
    channel.recordOutput('output', Buffer.from('kept'), 4)
    channel.recordOutput('output', Buffer.from('one'), 4)
    const [event] = channel.recordOutput('output', Buffer.from('two'), 4)
    const sha256 = createHash('sha256').update('onetwo').digest('hex')
    expect(event).toEqual({ type: 'progress', channel: 0, stream: 'output', bytes: 10, from: 4, sha256 })
  })

  test('of a terminal that was only asked for, and refused, is everything that is read', () => {
    const channel = new RelayChannel(0)
    channel.terminal = 'asked'
    channel.settleTerminal(false)
    expect(channel.recordInput(Buffer.from('id')).events).toMatchObject([
      { type: 'input', data: Buffer.from('id') },
    ])
  })

  test('of a terminal is all that it shows, past any limit, and of typing the count', () => {
    const channel = new RelayChannel(0)
    channel.settleTerminal(true)
    expect(channel.recordInput(Buffer.from('secret')).events).toEqual([
      { type: 'input-count', channel: 0, bytes: 6 },
    ])
    expect(channel.recordOutput('output', Buffer.alloc(100), 10)).toMatchObject([{ type: 'output' }])
  })
})
