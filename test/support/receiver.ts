/** A receiver of webhooks that answers as it is told, and checks each signature before it believes anything. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Received = {
  readonly id: string
  readonly type: string
  readonly session: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Whoever has this key may sign. */
export const receiverSecret: string = Buffer.alloc(32, 5).toString('base64')

export class SignedReceiver {
  readonly received: Received[] = []
  forged = 0
  readonly #server: Server
  #answer: (received: Received, response: ServerResponse) => void = (_, response) => response.end()

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString()))
      request.on('end', () => {
        const { headers } = request
        const id = String(headers['webhook-id'])
        const signed = `${id}.${String(headers['webhook-timestamp'])}.${body}`
        if (!isSigned(signed, String(headers['webhook-signature']))) {
          this.forged++
          response.writeHead(401).end()
          return
        }
        const { type, data } = JSON.parse(body) as { type: string; data: Record<string, unknown> }
        const { correlation_uid: session = '' } = data['metadata'] as { correlation_uid?: string }
        const received = { id, type, session, data }
        this.received.push(received)
        this.#answer(received, response)
      })
    })
  }

  static async start(): Promise<SignedReceiver> {
    const receiver = new SignedReceiver()
    await new Promise<void>(resolve => receiver.#server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`
  }

  answer(answer: (received: Received, response: ServerResponse) => void): void {
    this.#answer = answer
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

function isSigned(text: string, signatures: string): boolean {
  const expected = createHmac('sha256', Buffer.from(receiverSecret, 'base64')).update(text).digest()
  return signatures.split(' ').some(signature => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64')
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}
