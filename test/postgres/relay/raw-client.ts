/** A client that sends whatever frames a test likes, and reads what comes back frame by frame. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { decodeReport } from '../../../src/postgres/wire/backend.ts'
import {
  encodeBind,
  encodeDescribe,
  encodeExecute,
  encodeParse,
  encodeQuery,
  sync,
} from '../../../src/postgres/wire/frontend.ts'
import { frame } from '../../../src/postgres/wire/frame-writer.ts'
import { encodeStartup, protocol } from '../../../src/postgres/wire/startup.ts'

export type Reply = { readonly type: string; readonly body: Buffer }

/** Nothing of a test takes longer. */
const waitMs = 25_000

export class RawClient {
  readonly socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  readonly #replies: Reply[] = []
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', chunk => this.#take(chunk))
    socket.on('end', () => this.#wake())
    socket.on('close', () => this.#wake())
  }

  /** Signs in where the server trusts everybody. */
  static async connect(port: number, user = 'postgres', database = 'app'): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    await once(socket, 'connect')
    const client = new RawClient(socket)
    const names = [
      { name: 'user', value: user },
      { name: 'database', value: database },
    ]
    socket.write(encodeStartup(protocol.v3_0, names))
    await client.until('Z')
    return client
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** Replies up to and with the next one of this type, or all that came before the connection ended. */
  async until(type: string): Promise<readonly Reply[]> {
    const late = Date.now() + waitMs
    for (;;) {
      const at = this.#replies.findIndex(reply => reply.type === type)
      if (at !== -1) return this.#replies.splice(0, at + 1)
      if (this.socket.closed || this.socket.readableEnded) return this.#replies.splice(0)
      if (Date.now() > late)
        throw new Error(`no ${type} came, but ${this.#replies.map(r => r.type).join('')}`)
      await new Promise<void>(resolve => {
        this.#wake = resolve
        setTimeout(resolve, 200)
      })
    }
  }

  /** Sends, and gives what comes up to the next ReadyForQuery. */
  async ask(...frames: readonly Uint8Array[]): Promise<readonly Reply[]> {
    this.send(...frames)
    return await this.until('Z')
  }

  async end(): Promise<void> {
    this.socket.end(frame(0x58))
    if (!this.socket.closed) await once(this.socket, 'close')
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 5 && this.#bytes.length >= 1 + this.#bytes.readInt32BE(1)) {
      const end = 1 + this.#bytes.readInt32BE(1)
      const type = String.fromCharCode(this.#bytes[0] ?? 0)
      this.#replies.push({ type, body: Buffer.from(this.#bytes.subarray(5, end)) })
      this.#bytes = this.#bytes.subarray(end)
    }
    this.#wake()
  }
}

/** The types of replies, one letter each. */
export function letters(replies: readonly Reply[]): string {
  return replies.map(({ type }) => type).join('')
}

/** SQLSTATE and message of the first error. */
export function errorIn(
  replies: readonly Reply[],
): { code: string; message: string; hint: string } | undefined {
  const error = replies.find(({ type }) => type === 'E')
  if (error === undefined) return undefined
  const fields = decodeReport(error.body)
  return { code: fields.get('C') ?? '', message: fields.get('M') ?? '', hint: fields.get('H') ?? '' }
}

export const flush = frame(0x48)
export const copyDone = frame(0x63)
export { sync }

export function query(text: string): Buffer {
  return encodeQuery(text)
}

export function parse(text: string, name = ''): Buffer {
  return encodeParse({ name, text: Buffer.from(text), types: [] })
}

export function bind(name = '', portal = '', values: readonly (Buffer | null)[] = []): Buffer {
  return encodeBind({ portal, statement: name, formats: [], values, resultFormats: [] })
}

export function execute(portal = '', maxRows = 0): Buffer {
  return encodeExecute({ portal, maxRows })
}

export function describe(kind: 'statement' | 'portal', name = ''): Buffer {
  return encodeDescribe({ kind, name })
}

export function copyData(text: string | Buffer): Buffer {
  return frame(0x64, Buffer.from(text as string))
}
