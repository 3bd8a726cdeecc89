/** Speaks to a running gateway over its admin socket. Whoever may open the socket may do this: the file's mode decides. */
import { existsSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import type { KeyAsk } from '../credentials/key-changes.ts'
import type { KeyChange } from '../credentials/key-ring.ts'
import type { SignedLine } from '../audit/audit-log.ts'
import type { FindingFilter, FindingInFull, FindingPage } from '../analysis/findings/desk.ts'
import type { FairnessReport } from '../analysis/findings/fairness.ts'
import type { Answers } from '../analysis/index/search-messages.ts'
import type { FoundPage } from '../analysis/index/search-types.ts'
import { Fault } from '../errors.ts'
import type { HoldRow, SessionRow, SessionState } from '../model.ts'
import type { Retried } from '../notify/lane.ts'
import type { Overview } from '../notify/notify-thread.ts'
import type {
  Forgotten,
  ForgetWish,
  HoldWish,
  KeptView,
  ListedHold,
  PersonWish,
  ReleaseWish,
  RetentionPlan,
  RetentionRun,
} from '../recorder/retention/retention.ts'
import type { SessionPageFound, SessionsWish } from '../store/session-query.ts'
import type { ProbeResult } from './probe.ts'

/** A command line does not wait longer than this for its gateway. Probing targets takes the longest. */
const timeoutMs = 120_000

/** Removing many recordings from a bucket takes its time. */
const runTimeoutMs = 24 * 3_600_000

/** Answers are lists of at most some hundred rows. */
const maxAnswerBytes = 4 * 1024 * 1024

export class AdminClient {
  readonly #socket: string
  /** Of recordings that are being read. */
  readonly #tickets: number[] = []

  constructor(socket: string) {
    this.#socket = socket
  }

  async isUp(): Promise<boolean> {
    if (!existsSync(this.#socket)) return false
    return this.sessions({ limit: 1 }).then(
      () => true,
      (cause: unknown) => {
        if (cause instanceof Fault && cause.code === 'GATEWAY_NOT_RUNNING') return false
        throw cause
      },
    )
  }

  async sessions(wish: { limit: number; state?: SessionState }): Promise<readonly SessionRow[]> {
    const state = wish.state === undefined ? '' : `&state=${wish.state}`
    const answer = await this.#ask<{ sessions: readonly SessionRow[] }>(
      'GET',
      `/sessions?limit=${wish.limit}${state}`,
    )
    return answer.sessions
  }

  findSessions(wish: SessionsWish): Promise<SessionPageFound> {
    return this.#ask('POST', '/sessions/find', wish)
  }

  session(id: string): Promise<SessionRow & { readonly kept: KeptView }> {
    return this.#ask('GET', `/sessions/${encodeURIComponent(id)}`)
  }

  async readRecording(id: string, purpose: string): Promise<string> {
    return (await this.#read<{ path: string }>(id, purpose)).path
  }

  readSigned(id: string, purpose: string): Promise<{ path: string; signed: SignedLine }> {
    return this.#read(id, purpose, { signed: true })
  }

  /** What was read need not stay where it is any more. */
  async done(): Promise<void> {
    const tickets = this.#tickets.splice(0)
    if (tickets.length > 0) await this.#ask('POST', '/recordings/done', { tickets })
  }

  /** It may have to come from a bucket first. */
  async #read<T extends object>(id: string, purpose: string, more: object = {}): Promise<T> {
    const path = `/recordings/${encodeURIComponent(id)}/read`
    const body = { purpose: `${purpose} by local user ${process.getuid?.() ?? ''}`, ...more }
    const answer = await this.#ask<T & { ticket: number }>('POST', path, body, runTimeoutMs)
    this.#tickets.push(answer.ticket)
    return answer
  }

  async end(id: string, reason: string): Promise<void> {
    await this.#ask('POST', `/sessions/${encodeURIComponent(id)}/end`, { reason })
  }

  retentionPlan(): Promise<RetentionPlan> {
    return this.#ask('GET', '/retention/plan')
  }

  retentionRun(by: string): Promise<RetentionRun> {
    return this.#ask('POST', '/retention/run', { by }, runTimeoutMs)
  }

  async holds(): Promise<readonly ListedHold[]> {
    return (await this.#ask<{ holds: readonly ListedHold[] }>('GET', '/retention/holds')).holds
  }

  async hold(wish: HoldWish, by: string): Promise<readonly HoldRow[]> {
    const body = { ...wish, by }
    return (await this.#ask<{ holds: readonly HoldRow[] }>('POST', '/retention/holds', body)).holds
  }

  async release(wish: ReleaseWish, by: string): Promise<readonly HoldRow[]> {
    const body = { ...wish, by }
    return (await this.#ask<{ holds: readonly HoldRow[] }>('POST', '/retention/release', body)).holds
  }

  forget(person: PersonWish, wish: ForgetWish): Promise<Forgotten> {
    return this.#ask('POST', '/retention/forget', { person, ...wish }, runTimeoutMs)
  }

  /** Gives each line that comes, until there are no more or `signal` says so. */
  async watch(id: string, by: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
    const path = `/sessions/${encodeURIComponent(id)}/watch?by=${encodeURIComponent(by)}`
    const incoming = await this.#stream(path, signal)
    if (incoming.statusCode !== 200) {
      const parts: Buffer[] = []
      for await (const part of incoming) parts.push(part as Buffer)
      const text = Buffer.concat(parts).toString()
      throw new Fault('NOT_FOUND', detailOf(text) ?? `The gateway answered ${incoming.statusCode}.`)
    }
    try {
      for await (const line of createInterface({ input: incoming })) onLine(line)
    } catch (cause) {
      if (!signal.aborted) throw new Fault('GATEWAY_NOT_RUNNING', 'The gateway has gone away.', { cause })
    }
  }

  #stream(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socket, path, signal, headers: { host: 'admin' } }
      const outgoing = request(options, resolve)
      outgoing.on('error', cause => {
        if (!signal.aborted)
          reject(new Fault('GATEWAY_NOT_RUNNING', 'The gateway does not answer. Is it running?', { cause }))
      })
      outgoing.end()
    })
  }

  findings(filter: FindingFilter & { by: string }): Promise<FindingPage> {
    return this.#ask('POST', '/findings', filter)
  }

  /** `act`: show, or what is to be decided. */
  finding(id: string, act: string, body: { by: string }): Promise<FindingInFull> {
    return this.#ask('POST', `/findings/${encodeURIComponent(id)}/${act}`, body)
  }

  async pause(session: string, reason: string, by: string): Promise<void> {
    await this.#ask('POST', `/sessions/${encodeURIComponent(session)}/pause`, { by, reason })
  }

  async resume(session: string, by: string, reason?: string): Promise<void> {
    await this.#ask('POST', `/sessions/${encodeURIComponent(session)}/resume`, { by, reason })
  }

  fairness(days: number): Promise<FairnessReport> {
    return this.#ask('GET', `/fairness?days=${days}`)
  }

  reload(): Promise<{ endedSessions: number }> {
    return this.#ask('POST', '/reload')
  }

  /** `wish`: the fields of the route, as text. */
  search(wish: Readonly<Record<string, string>>): Promise<FoundPage> {
    return this.#ask('GET', `/search?${new URLSearchParams(wish).toString()}`)
  }

  indexProgress(): Promise<Answers['progress']> {
    return this.#ask('GET', '/index')
  }

  rebuildIndex(by: string): Promise<Answers['progress']> {
    return this.#ask('POST', '/index/rebuild', { by })
  }

  sweep(): Promise<{ removed: number; left: number }> {
    return this.#ask('POST', '/sweep')
  }

  notifyState(): Promise<Overview> {
    return this.#ask('GET', '/notify')
  }

  retryLetter(letter: string, by: string): Promise<Retried> {
    return this.#ask('POST', `/notify/letters/${encodeURIComponent(letter)}/retry`, { by })
  }

  async dropLetter(letter: string, by: string): Promise<void> {
    await this.#ask('POST', `/notify/letters/${encodeURIComponent(letter)}/drop`, { by })
  }

  async resumeSink(sink: string, by: string): Promise<void> {
    await this.#ask('POST', `/notify/sinks/${encodeURIComponent(sink)}/resume`, { by })
  }

  async changeKeys(ask: KeyAsk, by: string): Promise<readonly KeyChange[]> {
    return (await this.#ask<{ changes: readonly KeyChange[] }>('POST', '/keys', { ...ask, by })).changes
  }

  async probe(): Promise<readonly ProbeResult[]> {
    return (await this.#ask<{ results: readonly ProbeResult[] }>('POST', '/probe')).results
  }

  async #ask<T>(method: string, path: string, body?: object, waitMs = timeoutMs): Promise<T> {
    const { status, text } = await this.#exchange(method, path, body, waitMs)
    if (status >= 200 && status < 300) return (text === '' ? {} : JSON.parse(text)) as T
    const code = status === 404 || status === 410 ? 'NOT_FOUND' : 'CONFIG_INVALID'
    throw new Fault(code, detailOf(text) ?? `The gateway answered ${status}.`)
  }

  #exchange(
    method: string,
    path: string,
    body: object | undefined,
    waitMs: number,
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = { host: 'admin', ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
      const outgoing = request(
        { socketPath: this.#socket, method, path, timeout: waitMs, headers },
        incoming => {
          const chunks: Buffer[] = []
          let bytes = 0
          incoming.on('data', (chunk: Buffer) => {
            bytes += chunk.length
            if (bytes > maxAnswerBytes) incoming.destroy(new Error('the answer is too large'))
            else chunks.push(chunk)
          })
          incoming.on('error', reject)
          incoming.on('end', () =>
            resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          )
        },
      )
      outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')))
      outgoing.on('error', cause => {
        reject(new Fault('GATEWAY_NOT_RUNNING', 'The gateway does not answer. Is it running?', { cause }))
      })
      outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

/** RFC 9457: problem documents say what to do in `detail`. */
function detailOf(text: string): string | undefined {
  try {
    const problem = JSON.parse(text) as { detail?: unknown }
    return typeof problem.detail === 'string' ? problem.detail : undefined
  } catch {
    return undefined
  }
}
