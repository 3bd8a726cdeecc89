/** A forwarded stream: passed as it comes, described in the recording, never changed. */
import type { ChannelDecision, Grant } from '../../policy/decide.ts'
import { allowsForward, type ForwardWish } from '../../policy/forward.ts'
import type { RecordedEvent } from '../../recorder/event.ts'
import { KeptStream } from '../kept-stream.ts'
import type { Conduit, Passed } from './conduit.ts'

type Direction = 'input' | 'output'

/** RFC 4253, section 4.2: how SSH begins. What is inside such a stream cannot be seen. */
const sshStart = Buffer.from('SSH-')
/** The PROXY protocol, versions 1 and 2: a claim of an address, which whoever is behind the forward might believe. */
const proxyStarts = [Buffer.from('PROXY '), Buffer.from('\r\n\r\n\0\r\nQUIT\n')]
const longestStartBytes = 12

/** The first bytes of one direction, until they say what they look like. */
class Beginning {
  #start = Buffer.alloc(0)
  #isOver = false

  /** What it looks like; told once at most. */
  look(data: Buffer): 'ssh' | 'proxy-header' | undefined {
    if (this.#isOver) return undefined
    this.#start = Buffer.concat([this.#start, data.subarray(0, longestStartBytes - this.#start.length)])
    const found = startsWith(this.#start, sshStart)
      ? 'ssh'
      : proxyStarts.some(start => startsWith(this.#start, start))
        ? 'proxy-header'
        : undefined
    this.#isOver = found !== undefined || this.#start.length >= longestStartBytes
    return found
  }
}

function startsWith(data: Buffer, start: Buffer): boolean {
  return data.length >= start.length && data.subarray(0, start.length).equals(start)
}

export class ForwardStream implements Conduit {
  readonly #channel: number
  readonly #wish: ForwardWish
  readonly #keepBytes: number
  readonly #kept = { input: new KeptStream(), output: new KeptStream() }
  readonly #beginnings = { input: new Beginning(), output: new Beginning() }

  /** `keepBytes`: of each direction; what follows is described by size and digest. */
  constructor(channel: number, wish: ForwardWish, keepBytes: number) {
    this.#channel = channel
    this.#wish = wish
    this.#keepBytes = keepBytes
  }

  fromClient(data: Buffer): Passed {
    return this.#pass('input', data)
  }

  fromTarget(data: Buffer): Passed {
    return this.#pass('output', data)
  }

  #pass(stream: Direction, data: Buffer): Passed {
    const channel = this.#channel
    const looksLike = this.#beginnings[stream].look(data)
    const kept = this.#kept[stream].record(stream, channel, data, this.#keepBytes)
    const events: RecordedEvent[] =
      looksLike === undefined ? [kept] : [{ type: 'forward-note', channel, stream, looksLike }, kept]
    return { events, pieces: [data] }
  }

  allowedBy(grant: Grant): ChannelDecision {
    return allowsForward(grant, this.#wish)
  }

  end(): readonly RecordedEvent[] {
    const { input, output } = this.#kept
    return [
      {
        type: 'forward-close',
        channel: this.#channel,
        inputBytes: input.bytes,
        outputBytes: output.bytes,
      },
    ]
  }
}
