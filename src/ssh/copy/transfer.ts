/** Reads along with a command that moves files: names and bytes for each, and files one by one where we know the protocol. */
import type { FileEvent } from '../../recorder/file-event.ts'
import type { Copy } from './command.ts'
import { ScpDecoder } from './scp.ts'

export class Transfer {
  readonly #channel: number
  readonly #copy: Copy
  readonly #scp: ScpDecoder | undefined
  #inputBytes = 0
  #outputBytes = 0

  constructor(channel: number, copy: Copy) {
    this.#channel = channel
    this.#copy = copy
    this.#scp = copy.program === 'scp' ? new ScpDecoder(channel, copy.direction) : undefined
  }

  fromClient(data: Buffer): readonly FileEvent[] {
    this.#inputBytes += data.length
    return this.#scp?.fromClient(data) ?? []
  }

  fromTarget(data: Buffer): readonly FileEvent[] {
    this.#outputBytes += data.length
    return this.#scp?.fromTarget(data) ?? []
  }

  /** The channel is over. */
  end(): readonly FileEvent[] {
    const bytes = { inputBytes: this.#inputBytes, outputBytes: this.#outputBytes }
    return [
      ...(this.#scp?.end() ?? []),
      { type: 'transfer', channel: this.#channel, ...this.#copy, ...bytes },
    ]
  }
}
