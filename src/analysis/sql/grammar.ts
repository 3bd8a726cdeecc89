/**
 * PostgreSQL's own grammar, in a thread of its own, behind a cache. Never on the event loop: a hostile text can keep the parser busy
 * for seconds. A parser that hangs or dies is replaced, and the text that did it is `unparsable`.
 */
import { hash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { StatementFacts } from '../../model.ts'
import { type Analysis, unparsable } from './analysis.ts'
import type { MaskedTables } from './masked-tables.ts'
import type { ParseAnswer, ParseRequest } from './parse-worker.ts'
import { Recent } from '../recent.ts'
import { shapeOf } from './shape.ts'
import { TurnQueue } from './turn-queue.ts'

/** Longer texts (UTF-16 units) are not read: the parser needs a second and some 500 MB for a hostile megabyte. */
const maxTextLength = 1_048_576
/** A text that keeps the parser busy for longer is given up. Honest texts of the largest size take a second of CPU time. */
const parseTimeoutMs = 10_000
/** How often that is looked at. */
const parseCheckMs = 500
/** The thread loads the grammar in a tenth of a second; one that does not is given up with the first text that waits for it. */
const startTimeoutMs = 60_000
/** Texts handed to the thread at once: enough to keep it busy, few enough that a session that waits does not wait for many. */
const maxHandedOver = 4
/** ... and nothing more behind so many characters: a session that waits, waits for one long text at most. */
const maxHandedOverCharacters = 32 * 1024
/** Texts that wait beside the path. Beyond it they are not read, and their facts say so. */
const maxWaiting = 10_000
/** ... and those of one session. */
const maxWaitingOfOne = 1000
/** Their characters together. */
const maxWaitingCharacters = 16 * 1_048_576
/** Memory of the thread's JavaScript (MiB); the largest honest trees take less than half. */
const maxHeapMb = 512
/** Trees are read by recursion (MiB). */
const stackMb = 16
/** After so long a text (UTF-16 units) the thread is replaced when it is idle: WebAssembly memory grows and never shrinks. */
const bulkyLength = 262_144
/** Longer texts are remembered by their SHA-256. */
const maxPlainKey = 1024
/** Longer texts are not remembered at all. */
const maxRememberedLength = 65_536
/** Per generation of each of the two caches: about 10 MB in the worst case. */
const cacheLimits = { maxEntries: 5000, maxCharacters: 1_048_576 }

/** `gate`: a session waits for it, so it goes first. `beside`: for the record; may be given up when there are too many. */
export type Urgency = 'gate' | 'beside'

/** Who asks, by the session's id: they take turns. */
export type Asker = string
/** Whoever does not say. */
const nobody: Asker = ''

/** What is masked in one database, as the parser's thread knows it. Hold it for the session and forget it at its end. */
export type MaskNumber = number

type Waiting = {
  readonly id: number
  readonly asker: Asker
  readonly text: string
  readonly masks: MaskNumber | undefined
  readonly key: string | undefined
  readonly shape: string | undefined
  readonly done: Promise<Analysis>
  readonly resolve: (analysis: Analysis) => void
}

/** Where less is enough than a session may wait for. In milliseconds, and in UTF-16 units. */
export type GrammarLimits = { readonly parseTimeoutMs?: number; readonly maxTextLength?: number }

export class Grammar {
  readonly #known = new Recent<Analysis>(cacheLimits)
  readonly #knownShapes = new Recent<Analysis>(cacheLimits)
  readonly #asked = new Map<string, Waiting>()
  /** What the thread that was lost had not read: it goes first. */
  #again: Waiting[] = []
  readonly #gate = new TurnQueue<Waiting>()
  readonly #beside = new TurnQueue<Waiting>()
  readonly #handedOver: Waiting[] = []
  readonly #parseTimeoutMs: number
  readonly #maxTextLength: number
  readonly #masks = new Map<MaskNumber, MaskedTables>()
  #nextId = 1
  #nextMasks = 1
  #worker: Worker | undefined
  #check: NodeJS.Timeout | undefined
  /** Since when the first of those that were handed over is being read; before, since when the thread starts. */
  #headSinceMs = 0
  #isReady = false
  #isBulky = false
  #isClosed = false

  constructor(options: GrammarLimits = {}) {
    this.#parseTimeoutMs = options.parseTimeoutMs ?? parseTimeoutMs
    this.#maxTextLength = options.maxTextLength ?? maxTextLength
  }

  /**
   * What is known at once; costs about a microsecond for a short text. Programs send the same statement with other literals, so its
   * shape is looked up first: the text itself is known only where its literals matter.
   */
  known(text: string, masks?: MaskNumber): Analysis | undefined {
    const key = keyOf(text, masks)
    if (key === undefined) return undefined
    const shape = masks === undefined ? shapeOf(text) : undefined
    const ofShape = shape === undefined ? undefined : this.#knownShapes.get(shape)
    return ofShape ?? this.#known.get(key)
  }

  /** Never rejects: what cannot be read is `unparsable`, with the reason. */
  analyse(
    text: string,
    urgency: Urgency = 'beside',
    masks?: MaskNumber,
    asker: Asker = nobody,
  ): Promise<Analysis> {
    const known = this.known(text, masks)
    if (known !== undefined) return Promise.resolve(known)
    const refused = this.#refusal(text, urgency, asker)
    if (refused !== undefined) return Promise.resolve(unparsable(refused))
    const key = keyOf(text, masks)
    const asked = key === undefined ? undefined : this.#asked.get(key)
    if (asked !== undefined) {
      if (urgency === 'gate') this.#hurry(asked, asker)
      return asked.done
    }
    return this.#ask({ text, masks, key, asker }, urgency)
  }

  /** The facts of a whole text. */
  async facts(text: string, urgency: Urgency = 'beside', asker: Asker = nobody): Promise<StatementFacts> {
    return (await this.analyse(text, urgency, undefined, asker)).facts
  }

  /** Starts the thread, so that the first statement does not wait for it. */
  warm(): void {
    if (!this.#isClosed) this.#start()
  }

  addMasks(tables: MaskedTables): MaskNumber {
    const number = this.#nextMasks++
    this.#masks.set(number, tables)
    this.#worker?.postMessage({ kind: 'masks', number, tables } satisfies ParseRequest, [])
    return number
  }

  forgetMasks(number: MaskNumber): void {
    this.#masks.delete(number)
    this.#worker?.postMessage({ kind: 'forget', number } satisfies ParseRequest, [])
  }

  /** Whoever still waits gets `unparsable`. */
  async close(): Promise<void> {
    this.#isClosed = true
    const waiting = [
      ...this.#handedOver.splice(0),
      ...this.#again.splice(0),
      ...this.#gate.clear(),
      ...this.#beside.clear(),
    ]
    for (const each of waiting) this.#answer(each, unparsable('the gateway is shutting down'))
    await this.#stop()
  }

  #refusal(text: string, urgency: Urgency, asker: Asker): string | undefined {
    if (this.#isClosed) return 'the gateway is shutting down'
    if (text.length > this.#maxTextLength) return `longer than ${this.#maxTextLength} characters`
    if (urgency === 'gate') return undefined // a session waits for one at a time
    const isFull =
      this.#beside.size >= maxWaiting || this.#beside.characters + text.length > maxWaitingCharacters
    if (isFull) return 'too many statements waited to be read'
    const isMuch = this.#beside.sizeOf(asker) >= maxWaitingOfOne
    return isMuch ? 'too many statements of this session waited to be read' : undefined
  }

  #ask(what: Pick<Waiting, 'text' | 'masks' | 'key' | 'asker'>, urgency: Urgency): Promise<Analysis> {
    const { text, masks, key, asker } = what
    const { promise, resolve } = Promise.withResolvers<Analysis>()
    const shape = masks === undefined ? shapeOf(text) : undefined
    const waiting: Waiting = { id: this.#nextId++, ...what, shape, done: promise, resolve }
    if (key !== undefined) this.#asked.set(key, waiting)
    const queue = urgency === 'gate' ? this.#gate : this.#beside
    queue.push(asker, waiting)
    this.#handOver()
    return promise
  }

  /** It takes its turn among those that somebody waits for, as if the one who does had asked first. */
  #hurry(waiting: Waiting, asker: Asker): void {
    if (this.#beside.remove(waiting.asker, waiting)) this.#gate.push(asker, waiting)
  }

  #handOver(): void {
    while (this.#mayHandOver) {
      const next = this.#again.shift() ?? this.#gate.shift() ?? this.#beside.shift()
      if (next === undefined) return
      // Another text of its shape may have been read meanwhile.
      const known = next.masks === undefined ? this.known(next.text) : undefined
      if (known === undefined) this.#post(next)
      else this.#answer(next, known)
    }
  }

  get #mayHandOver(): boolean {
    if (this.#handedOver.length >= maxHandedOver) return false
    return this.#handedOver.reduce((sum, { text }) => sum + text.length, 0) < maxHandedOverCharacters
  }

  #post(next: Waiting): void {
    const worker = this.#start()
    if (this.#handedOver.length === 0 && this.#isReady) this.#headSinceMs = performance.now()
    this.#handedOver.push(next)
    this.#isBulky ||= next.text.length > bulkyLength
    worker.ref()
    worker.postMessage(
      {
        kind: 'parse',
        id: next.id,
        text: next.text,
        masks: next.masks,
      } satisfies ParseRequest,
      [],
    )
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('parse-worker.ts', import.meta.url), {
      name: 'sql-parser',
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, stackSizeMb: stackMb },
    })
    this.#worker = worker
    this.#isReady = false
    this.#headSinceMs = performance.now()
    worker.on('message', (answer: ParseAnswer) => this.#answered(worker, answer))
    worker.on('error', () => this.#lost(worker, 'the parser gave up on it'))
    worker.on('exit', () => this.#lost(worker, 'the parser gave up on it'))
    worker.unref()
    for (const [number, tables] of this.#masks)
      worker.postMessage({ kind: 'masks', number, tables } satisfies ParseRequest, [])
    this.#check ??= setInterval(
      () => this.#giveUpWhatHangs(),
      Math.min(parseCheckMs, this.#parseTimeoutMs),
    ).unref()
    return worker
  }

  #answered(worker: Worker, answer: ParseAnswer): void {
    if (worker !== this.#worker) return
    this.#headSinceMs = performance.now()
    if (answer.kind === 'ready') {
      this.#isReady = true
      return
    }
    const { id, analysis } = answer
    const [head] = this.#handedOver
    if (head?.id !== id) return
    this.#handedOver.shift()
    this.#remember(head, analysis)
    this.#answer(head, analysis)
    this.#handOver()
    if (this.#handedOver.length === 0) this.#rest(worker)
  }

  #remember(asked: Waiting, analysis: Analysis): void {
    if (analysis.isOfShape && asked.shape !== undefined) this.#knownShapes.set(asked.shape, analysis)
    else if (asked.key !== undefined) this.#known.set(asked.key, analysis)
  }

  #rest(worker: Worker): void {
    worker.unref()
    if (!this.#isBulky) return
    this.#isBulky = false
    void this.#stop()
  }

  #giveUpWhatHangs(): void {
    const allowedMs = this.#isReady ? this.#parseTimeoutMs : startTimeoutMs
    if (this.#handedOver.length === 0 || performance.now() - this.#headSinceMs < allowedMs) return
    const worker = this.#worker
    if (worker !== undefined) this.#lost(worker, `it takes longer than ${allowedMs / 1000} seconds to read`)
  }

  /** The first text that was handed over did it; the others go to the next thread. */
  #lost(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return
    const [head, ...others] = this.#handedOver.splice(0)
    this.#again.unshift(...others)
    void this.#stop()
    if (head !== undefined) {
      const analysis = unparsable(reason)
      if (head.key !== undefined) this.#known.set(head.key, analysis)
      this.#answer(head, analysis)
    }
    this.#handOver()
  }

  #answer(asked: Waiting, analysis: Analysis): void {
    if (asked.key !== undefined && this.#asked.get(asked.key) === asked) this.#asked.delete(asked.key)
    asked.resolve(analysis)
  }

  async #stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    clearInterval(this.#check)
    this.#check = undefined
    await worker?.terminate()
  }
}

/** What a text is remembered by; texts never start with these prefixes and a NUL. */
function keyOf(text: string, masks: MaskNumber | undefined): string | undefined {
  if (text.length > maxRememberedLength) return undefined
  const key = text.length <= maxPlainKey ? text : `\0sha256 ${hash('sha256', text)}`
  return masks === undefined ? key : `\0masks ${masks} ${key}`
}
