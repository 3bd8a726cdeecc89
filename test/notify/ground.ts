/** An audit log, receivers of every temper, and the lanes between them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type AuditEvent, openAuditLog } from '../../src/audit/audit-log.ts'
import { systemClock } from '../../src/clock.ts'
import { AuditFeed, endOfLog } from '../../src/notify/audit-feed.ts'
import { laneOf } from '../../src/notify/lane-of-plan.ts'
import type { LaneNews } from '../../src/notify/lane.ts'
import { Notifier } from '../../src/notify/notifier.ts'
import type { SinkPlan } from '../../src/notify/notify-messages.ts'
import { newFolder, newSigner, quiet } from '../recorder/support.ts'

export const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
export const producer = { gateway: 'bastion.test', version: '0.1.0' }

export class Ground {
  readonly folder = newFolder()
  readonly auditFolder = join(this.folder, 'audit')
  readonly notifyFolder = join(this.folder, 'notify')
  readonly feed = new AuditFeed(this.auditFolder)
  readonly news: LaneNews[] = []
  readonly #signer = newSigner()
  #log: ReturnType<typeof openAuditLog>

  constructor(segmentBytes?: number) {
    this.#log = this.#open(segmentBytes)
    onTestFinished(() => this.#log.close())
  }

  #open(segmentBytes: number | undefined): ReturnType<typeof openAuditLog> {
    return openAuditLog({
      folder: this.auditFolder,
      signer: this.#signer,
      clock: systemClock,
      log: quiet,
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
    })
  }

  append(event: AuditEvent): void {
    this.#log.append(event)
  }

  /** Sessions one to `count`, each a line. */
  open(count: number, from = 1): void {
    for (let at = from; at < from + count; at++)
      this.append({
        kind: 'session-open',
        session: `s${at}`,
        protocol: 'ssh',
        target: 'web1',
        principal: 'Ada',
      })
  }

  async closeLog(): Promise<void> {
    await this.#log.close()
  }

  reopenLog(segmentBytes?: number): void {
    this.#log = this.#open(segmentBytes)
  }

  /** Begins with the log as it is now; waits between attempts are as short as told. */
  async notify(plans: readonly SinkPlan[], { delayMs = 5 } = {}): Promise<Notifier> {
    const notifier = new Notifier(
      plans.map(plan => laneOf(plan, systemClock, producer)),
      {
        auditFolder: this.auditFolder,
        indexFolder: this.folder,
        folder: this.notifyFolder,
        begin: endOfLog(this.auditFolder),
        producer,
        clock: systemClock,
        heard: news => void (news.kind === 'state' || this.news.push(news)),
        delayMs: () => delayMs,
      },
    )
    await notifier.start()
    onTestFinished(() => notifier.close())
    return notifier
  }
}

export function webhookPlan(
  url: string,
  more: Partial<Extract<SinkPlan, { kind: 'webhook' }>> = {},
): SinkPlan {
  return {
    kind: 'webhook',
    name: 'soc',
    url,
    events: ['session-*'],
    format: 'ocsf',
    content: false,
    secrets: [secret],
    authority: undefined,
    attempts: 3,
    giveUpMs: 3_600_000,
    ...more,
  }
}

export type Heard = {
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly session: string
  readonly port: number
}

export class Receiver {
  readonly heard: Heard[] = []
  readonly #server: Server
  #answer: (heard: Heard, response: ServerResponse) => void = (_, response) => response.writeHead(204).end()

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString()))
      request.on('end', () => {
        const heard = {
          headers: request.headers,
          body,
          session: sessionIn(body),
          port: request.socket.remotePort ?? 0,
        }
        this.heard.push(heard)
        this.#answer(heard, response)
      })
    })
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    await new Promise<void>(resolve => receiver.#server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => receiver.stop())
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`
  }

  get sessions(): readonly string[] {
    return this.heard.map(({ session }) => session)
  }

  answer(answer: (heard: Heard, response: ServerResponse) => void): void {
    this.#answer = answer
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

function sessionIn(body: string): string {
  const { data } = JSON.parse(body) as { data: { metadata?: { correlation_uid?: string } } }
  return data.metadata?.correlation_uid ?? ''
}

/** For `vi.waitUntil`: how often to look, and for how long on a machine that is busy. */
export const patiently = { interval: 10, timeout: 20_000 }

export function names(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, at) => `s${at + from}`)
}
