/** Reads along with a command that moves files: names and bytes for each, and files one by one where we know the protocol. */
import type { FileEvent } from '../../recorder/file-event.ts'
import type { MemoryBudget } from '../sftp/budget.ts'
import type { Copies } from '../sftp/copies.ts'
import { SftpDecoder } from '../sftp/decoder.ts'
import { type Copy, copyOf, isSftpServer } from './command.ts'
import { ScpDecoder } from './scp.ts'

/** Tells events of files beside the streams of a command, which are kept anyway: what does not decode ends nothing. */
export interface FileReader {
  readonly fromClient: (data: Buffer) => readonly FileEvent[]
  readonly fromTarget: (data: Buffer) => readonly FileEvent[]
  /** The channel is over. */
  readonly end: () => readonly FileEvent[]
}

/** Who reads along with this command, or undefined if it is none that we know to move files. */
export function fileReaderOf(
  channel: number,
  command: Buffer,
  budget: MemoryBudget,
  copies?: Copies,
): FileReader | undefined {
  if (isSftpServer(command)) return new SftpServerReader(channel, budget, copies)
  const copy = copyOf(command)
  return copy === undefined ? undefined : new Transfer(channel, copy)
}

/** SFTP without the subsystem. */
class SftpServerReader implements FileReader {
  readonly #decoder: SftpDecoder

  constructor(channel: number, budget: MemoryBudget, copies: Copies | undefined) {
    this.#decoder = new SftpDecoder(channel, budget, copies)
  }

  fromClient(data: Buffer): readonly FileEvent[] {
    return this.#decoder.fromClient(data).events
  }

  fromTarget(data: Buffer): readonly FileEvent[] {
    return this.#decoder.fromTarget(data).events
  }

  end(): readonly FileEvent[] {
    return this.#decoder.end()
  }
}

export class Transfer implements FileReader {
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
