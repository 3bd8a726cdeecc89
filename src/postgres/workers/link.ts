/**
 * Questions and answers between two processes of one gateway. Both sides check what they are told; every question has a time limit,
 * and what fails or comes late is a Fault for whoever asked, so that it refuses: there is no answer that nobody gave.
 */
import type { Socket } from 'node:net'
import { z } from 'zod'
import { Fault, type FaultCode, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'

/** What can be asked: the form of the question, of its answer, and how long the answer may take (`answerWithinMs` by default). */
export type CallTable = Readonly<
  Record<
    string,
    { readonly asked: z.ZodType; readonly answer: z.ZodType; readonly withinMs?: number | undefined }
  >
>
/** What can be told, without an answer. */
export type TellTable = Readonly<Record<string, z.ZodType>>

/** How long an answer may take: a slow disk or a full event loop on the other side, but no longer than clients wait. Milliseconds. */
export const answerWithinMs = 10_000
/** Questions of one process that wait for an answer; each session has a few at a time. */
const maxWaiting = 5000

/** The way to the other process: order is kept, nothing is lost while both live. */
export type Port = {
  /** Throws where the other process is gone. `socket` goes with the message, and is ours no more. */
  readonly send: (message: object, socket?: Socket) => void
  readonly onMessage: (listener: (message: unknown, socket: unknown) => void) => void
  readonly onGone: (listener: () => void) => void
}

type Asked<T extends CallTable, Name extends keyof T> = z.input<T[Name]['asked']>
type Answer<T extends CallTable, Name extends keyof T> = z.output<T[Name]['answer']>

export type CallHandlers<T extends CallTable> = {
  readonly [Name in keyof T]: (
    asked: z.output<T[Name]['asked']>,
  ) => z.input<T[Name]['answer']> | Promise<z.input<T[Name]['answer']>>
}
export type TellHandlers<T extends TellTable> = {
  readonly [Name in keyof T]: (told: z.output<T[Name]>, socket: Socket | undefined) => void
}

/** Both sides of a link, as one of them sees it. */
export type LinkTables<
  OutCalls extends CallTable,
  OutTells extends TellTable,
  InCalls extends CallTable,
  InTells extends TellTable,
> = {
  readonly ask: OutCalls
  readonly tell: OutTells
  readonly answer: InCalls
  readonly hear: InTells
}

export type LinkParts<InCalls extends CallTable, InTells extends TellTable> = {
  readonly calls: CallHandlers<InCalls>
  readonly tells: TellHandlers<InTells>
  /** Comes before whatever is asked or told. What it throws is the answer. */
  readonly before?: () => void
  /** The other process said something that it never says: whoever hears of it ends it. */
  readonly onViolation: (reason: string) => void
  readonly log: Log
}

const envelope = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('call'), id: z.int(), name: z.string(), asked: z.unknown() }),
  z.object({ kind: z.literal('answer'), id: z.int(), answer: z.unknown() }),
  z.object({
    kind: z.literal('fault'),
    id: z.int(),
    code: z.string().optional(),
    userText: z.string(),
    message: z.string(),
  }),
  z.object({ kind: z.literal('tell'), name: z.string(), told: z.unknown() }),
])
type Envelope = z.infer<typeof envelope>

type Waiting = {
  readonly name: string
  readonly resolve: (answer: unknown) => void
  readonly reject: (cause: unknown) => void
  readonly timer: NodeJS.Timeout
}

export class Link<
  OutCalls extends CallTable,
  OutTells extends TellTable,
  InCalls extends CallTable,
  InTells extends TellTable,
> {
  readonly #port: Port
  readonly #tables: LinkTables<OutCalls, OutTells, InCalls, InTells>
  readonly #parts: LinkParts<InCalls, InTells>
  readonly #waiting = new Map<number, Waiting>()
  readonly #late = new Map<number, (answer: unknown) => void>()
  readonly #answering = new Set<Promise<void>>()
  #lastId = 0
  #isGone = false

  constructor(
    port: Port,
    tables: LinkTables<OutCalls, OutTells, InCalls, InTells>,
    parts: LinkParts<InCalls, InTells>,
  ) {
    this.#port = port
    this.#tables = tables
    this.#parts = parts
    port.onMessage((message, socket) => this.#hear(message, socket as Socket | undefined))
    port.onGone(() => this.close())
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /**
   * Rejects with the other side's Fault, or with Fault STORE_UNAVAILABLE where it does not answer in time; `late` then gets an answer
   * that comes after all, to give back what it gives.
   */
  ask<Name extends keyof OutCalls & string>(
    name: Name,
    asked: Asked<OutCalls, Name>,
    late?: (answer: Answer<OutCalls, Name>) => void,
  ): Promise<Answer<OutCalls, Name>> {
    if (this.#isGone) return Promise.reject(noAnswer(name, 'it is gone'))
    if (this.#waiting.size >= maxWaiting) return Promise.reject(noAnswer(name, 'too many questions wait'))
    const id = ++this.#lastId
    const { withinMs = answerWithinMs } = this.#tables.ask[name] ?? {}
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#over(id)?.reject(noAnswer(name, 'it is late'))
        if (late !== undefined) this.#late.set(id, answer => this.#resolve(name, answer, late, () => {}))
      }, withinMs)
      const checked = (answer: unknown): void => this.#resolve(name, answer, resolve, reject)
      this.#waiting.set(id, { name, resolve: checked, reject, timer })
      if (!this.#send({ kind: 'call', id, name, asked })) this.#over(id)?.reject(noAnswer(name, 'it is gone'))
    })
  }

  /** False if the other process is gone. */
  tell<Name extends keyof OutTells & string>(
    name: Name,
    told: z.input<OutTells[Name]>,
    socket?: Socket,
  ): boolean {
    return !this.#isGone && this.#send({ kind: 'tell', name, told }, socket)
  }

  /** Answers nobody any more, and nobody answers. */
  close(): void {
    if (this.#isGone) return
    this.#isGone = true
    for (const [id, { name }] of this.#waiting) this.#over(id)?.reject(noAnswer(name, 'it is gone'))
  }

  /** Resolves when what was asked of us has been done, whether anybody hears of it or not. */
  async settled(): Promise<void> {
    while (this.#answering.size > 0) await Promise.all(this.#answering)
  }

  #over(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    clearTimeout(waiting?.timer)
    this.#waiting.delete(id)
    return waiting
  }

  #send(message: Envelope, socket?: Socket): boolean {
    try {
      this.#port.send(message, socket)
      return true
    } catch (cause) {
      this.#parts.log.warn({ cause: reasonOf(cause) }, 'the other process cannot be told anything')
      return false
    }
  }

  #hear(message: unknown, socket: Socket | undefined): void {
    if (this.#isGone) {
      socket?.destroy()
      return
    }
    const said = envelope.safeParse(message)
    if (!said.success) return this.#parts.onViolation('a message of no known form')
    switch (said.data.kind) {
      case 'call':
        return this.#answer(said.data.id, said.data.name, said.data.asked)
      case 'tell':
        return this.#told(said.data.name, said.data.told, socket)
      case 'answer':
        return this.#answered(said.data.id, said.data.answer)
      case 'fault':
        this.#late.delete(said.data.id)
        return this.#over(said.data.id)?.reject(faultOf(said.data))
    }
  }

  #answered(id: number, answer: unknown): void {
    this.#over(id)?.resolve(answer)
    this.#late.get(id)?.(answer)
    this.#late.delete(id)
  }

  #resolve<Name extends keyof OutCalls & string>(
    name: Name,
    answer: unknown,
    resolve: (answer: Answer<OutCalls, Name>) => void,
    reject: (cause: unknown) => void,
  ): void {
    const parsed = this.#tables.ask[name]?.answer.safeParse(answer)
    if (parsed?.success === true) return resolve(parsed.data as Answer<OutCalls, Name>)
    reject(noAnswer(name, 'it is of no known form'))
    this.#parts.onViolation(`an answer to ${name} of no known form`)
  }

  #told(name: string, told: unknown, socket: Socket | undefined): void {
    const table = Object.hasOwn(this.#tables.hear, name) ? this.#tables.hear[name] : undefined
    const parsed = table?.safeParse(told)
    if (parsed?.success !== true) {
      socket?.destroy()
      return this.#parts.onViolation(`${name} told in no known form`)
    }
    try {
      this.#parts.before?.()
      this.#parts.tells[name]?.(parsed.data as never, socket)
    } catch (cause) {
      socket?.destroy()
      this.#parts.log.error({ name, cause: reasonOf(cause) }, 'what another process told came to nothing')
    }
  }

  #answer(id: number, name: string, asked: unknown): void {
    const table = Object.hasOwn(this.#tables.answer, name) ? this.#tables.answer[name] : undefined
    const parsed = table?.asked.safeParse(asked)
    if (parsed?.success !== true) return this.#parts.onViolation(`${name} asked in no known form`)
    const answering = this.#run(name, parsed.data).then(
      answer => void this.#send({ kind: 'answer', id, answer }),
      (cause: unknown) => void this.#send({ kind: 'fault', id, ...fieldsOf(cause) }),
    )
    this.#answering.add(answering)
    void answering.finally(() => this.#answering.delete(answering))
  }

  async #run(name: string, asked: unknown): Promise<unknown> {
    this.#parts.before?.()
    return await this.#parts.calls[name]?.(asked as never)
  }
}

function noAnswer(name: string, why: string): Fault {
  const userText = 'The gateway is busy or starts again. Try again in a moment.'
  return new Fault('STORE_UNAVAILABLE', userText, {
    log: `another process of the gateway gave no answer to ${name}: ${why}`,
  })
}

/** What is no Fault keeps its text from users here, too. */
function fieldsOf(cause: unknown) {
  if (cause instanceof Fault) return { code: cause.code, userText: cause.userText, message: cause.message }
  return { userText: '', message: reasonOf(cause) }
}

function faultOf({
  code,
  userText,
  message,
}: {
  code?: string | undefined
  userText: string
  message: string
}): Error {
  return code === undefined ? new Error(message) : new Fault(code as FaultCode, userText, { log: message })
}
