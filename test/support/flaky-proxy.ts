/** A line to an HTTP server that drops, hangs and resets when a test says so: before a request, in it, or before its answer. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

/**
 * What becomes of a request: `refuse` it before the server sees it, `cut` the line in its body, let it `hang` for ever, or let the
 * server do it and `lose` the answer.
 */
export type Mishap = 'refuse' | 'cut' | 'hang' | 'lose'

/** `PUT /bucket/key?partNumber=1`; undefined lets it pass. */
export type Weather = (request: string) => Mishap | undefined

export class FlakyProxy {
  readonly #server: Server
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  /** Requests that were begun, in their order. */
  readonly seen: string[] = []
  weather: Weather = () => undefined
  /** The server has answered, and the client does not know yet. */
  onAnswer: (request: string) => void = () => {}

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer(client => this.#join(client))
  }

  static async start(target: number): Promise<FlakyProxy> {
    const proxy = new FlakyProxy(target)
    await new Promise<void>(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #join(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1')
    const line = { request: '', mishap: undefined as Mishap | undefined, bodyBytes: 0 }
    const end = () => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        end()
      })
    }
    client.on('data', (chunk: Buffer) => {
      const head = /^([A-Z]+ \/\S*) HTTP\/1\.1\r\n/.exec(chunk.toString('latin1', 0, 4096))
      if (head?.[1] !== undefined) {
        line.request = head[1]
        line.bodyBytes = 0
        this.seen.push(head[1])
        line.mishap = this.weather(head[1])
      } else line.bodyBytes += chunk.length
      if (line.mishap === 'refuse') return void client.resetAndDestroy()
      if (line.mishap === 'hang') return
      server.write(chunk)
      if (
        line.mishap === 'cut' &&
        (line.bodyBytes > 0 || !/expect: 100-continue/i.test(chunk.toString('latin1')))
      )
        end()
    })
    server.on('data', (chunk: Buffer) => {
      const isAnswer = /^HTTP\/1\.1 (?!100)/.test(chunk.toString('latin1', 0, 20))
      if (isAnswer) this.onAnswer(line.request)
      if (isAnswer && line.mishap === 'lose') return end()
      client.write(chunk)
    })
  }
}
