/** A session that goes on: what is stored so far, and then what comes, as it comes. Watching is all that this connection can do. */
import type { Replay, ReplayEvent } from '../../../src/api/schema.ts'
import { apiBase, get } from '../api.ts'
import type { PlayEvent } from './event.ts'
import { toldEvent } from './event.ts'
import { StoredSource } from './source.ts'
import { pieceEvents, pieceOf } from './tail.ts'

/** Chunks are in the file after a second at most; what comes meanwhile is kept and joined. */
const settleMs = 1200
/** Beyond this the tail is dropped and what is stored by now is asked for again. Bytes. */
const maxTailBytes = 16 * 1024 * 1024

export type LiveEnd = { readonly text: string; readonly isOver: boolean }
type Line =
  | ReplayEvent
  | { readonly end: { readonly reason: string; readonly text: string } }
  | { readonly session: unknown }

export class LiveSource extends StoredSource {
  #tail: PlayEvent[][] = []
  #tailBytes = 0
  #stored: Replay
  #isRefreshing = false
  readonly #socket: WebSocket
  readonly #id: string
  /** Something has come. */
  onGrown: (events: readonly PlayEvent[]) => void = () => {}
  #end: LiveEnd | undefined
  #hearEnd: (end: LiveEnd) => void = () => {}

  private constructor(session: string, info: Replay, socket: WebSocket) {
    super(session, info)
    this.#id = session
    this.#stored = info
    this.#socket = socket
  }

  /** Who asks after the end hears of it all the same. */
  set onEnd(hear: (end: LiveEnd) => void) {
    this.#hearEnd = hear
    if (this.#end !== undefined) hear(this.#end)
  }

  /** Listens first and asks for what is stored then, so that nothing is between the two. */
  static async open(session: string): Promise<LiveSource> {
    const address = `${location.origin.replace(/^http/, 'ws')}${apiBase}/sessions/${session}/live`
    const socket = new WebSocket(address)
    const early: PlayEvent[] = []
    const waiting: { end?: LiveEnd; source?: LiveSource } = {}
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      const { events, end } = readLines(String(data))
      if (waiting.source === undefined) early.push(...events)
      else waiting.source.#take(events)
      if (end !== undefined) tellEnd(end)
    })
    const tellEnd = (end: LiveEnd): void => {
      waiting.end ??= end
      if (waiting.source !== undefined) waiting.source.#ended(waiting.end)
    }
    socket.addEventListener('close', () =>
      tellEnd({ text: 'The connection to the gateway is lost.', isOver: false }),
    )
    const source = new LiveSource(session, await storedSoFar(session, socket), socket)
    waiting.source = source
    source.#take(early)
    if (waiting.end !== undefined) source.#ended(waiting.end)
    return source
  }

  override async load(first: number, last: number): Promise<void> {
    await super.load(first, Math.min(last, this.#stored.chunks.length - 1))
  }

  override events(place: number): readonly PlayEvent[] | undefined {
    return place < this.#stored.chunks.length
      ? super.events(place)
      : this.#tail[place - this.#stored.chunks.length]
  }

  override close(): void {
    this.#hearEnd = () => {}
    this.onGrown = () => {}
    this.#socket.close()
    super.close()
  }

  #ended(end: LiveEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#hearEnd(end)
  }

  #take(events: readonly PlayEvent[]): void {
    const fresh = events.filter(({ atMs }) => atMs > this.info.durationMs || this.#tail.length > 0)
    if (fresh.length === 0) return
    for (const event of fresh) this.#add(event)
    this.#describe()
    this.onGrown(fresh)
    if (this.#tailBytes > maxTailBytes) void this.#refresh()
  }

  #add(event: PlayEvent): void {
    const last = this.#tail.at(-1)
    if (last === undefined || last.length >= pieceEvents) this.#tail.push([event])
    else last.push(event)
    this.#tailBytes += event.kind === 'data' ? event.data.length + 120 : 120
  }

  #describe(): void {
    const number = (this.#stored.chunks.at(-1)?.number ?? 0) + 1
    const pieces = this.#tail.map((events, index) => pieceOf(number + index, events))
    this.info = {
      ...this.#stored,
      chunks: [...this.#stored.chunks, ...pieces],
      durationMs: Math.max(this.#stored.durationMs, pieces.at(-1)?.toMs ?? 0),
      channels: channelsWith(this.#stored.channels, this.#tail.at(-1) ?? []),
    }
  }

  /** Places move with that: whoever plays seeks anew when it is told. */
  async #refresh(): Promise<void> {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    try {
      const info = await get<Replay>(`/sessions/${this.#id}/replay`)
      const kept = this.#tail.flat().filter(({ atMs }) => atMs > info.durationMs)
      this.forget()
      this.#stored = info
      this.#tail = []
      this.#tailBytes = 0
      for (const event of kept) this.#add(event)
      this.#describe()
      this.onMoved()
    } catch {
      // asked for again with what comes next
    } finally {
      this.#isRefreshing = false
    }
  }

  onMoved: () => void = () => {}
}

/** Whoever could not be shown anything does not go on watching. */
async function storedSoFar(session: string, socket: WebSocket): Promise<Replay> {
  try {
    await opened(socket)
    await new Promise(resolve => setTimeout(resolve, settleMs))
    return await get<Replay>(`/sessions/${session}/replay`)
  } catch (thrown) {
    socket.close()
    throw thrown
  }
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true })
    const lost = (): void =>
      reject(new Error('The session cannot be watched now: it has ended, or too many watch it.'))
    socket.addEventListener('error', lost, { once: true })
    socket.addEventListener('close', lost, { once: true })
  })
}

function channelsWith(known: Replay['channels'], events: readonly PlayEvent[]): Replay['channels'] {
  const channels = [...known]
  for (const event of events)
    if (event.kind === 'size' && !channels.some(({ channel }) => channel === event.channel))
      channels.push({
        channel: event.channel,
        kind: 'session',
        columns: event.columns,
        rows: event.rows,
        isTerminal: true,
      })
  return channels
}

function readLines(text: string): { events: PlayEvent[]; end?: LiveEnd } {
  const events: PlayEvent[] = []
  let end: LiveEnd | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const said = JSON.parse(line) as Line
    if ('end' in said) end = { text: said.end.text, isOver: said.end.reason === 'ended' }
    else if (!('session' in said)) events.push(playEvent(said))
  }
  return end === undefined ? { events } : { events, end }
}

function playEvent(said: ReplayEvent): PlayEvent {
  const { atMs, channel } = said
  if ('base64' in said) {
    const data = Uint8Array.from(atob(said.base64), character => character.charCodeAt(0))
    return { kind: 'data', atMs, channel: said.channel, stream: said.type, data }
  }
  if ('columns' in said) return toldEvent(atMs, said)
  return toldEvent(atMs, {
    ...fieldsIn(said.text),
    type: said.type,
    ...(channel === undefined ? {} : { channel }),
  })
}

/** What is said besides is a text, or an object as JSON. */
function fieldsIn(text: string): object {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? read : { text }
  } catch {
    return { text }
  }
}
