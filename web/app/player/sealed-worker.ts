/** Opens an encrypted recording beside the page, and makes its keyframes as it goes on. The key is in this thread's memory until the recording is read. */
import '../../node/window.ts'
import '../../node/buffer.ts'
import type { ReplayKeyframe } from '../../../src/api/schema.ts'
import { reasonOf } from '../../../src/errors.ts'
import type { EventRecord } from '../../../src/recorder/event.ts'
import { readSealed } from '../../recording.ts'
import { type PlayEvent, toldEvent } from './event.ts'
import { KeyframeMaker } from './keyframe-maker.ts'
import { SealedEntries, type SealedFound } from './sealed-entries.ts'
import type { SealedFile } from './sealed-file.ts'

/** Which session the file is of. */
export type SealedAsk = SealedFile & { readonly session: string; readonly openedAtMs: number }

export type SealedAnswer =
  | {
      readonly kind: 'read'
      readonly events: readonly PlayEvent[]
      readonly keyframes: readonly ReplayKeyframe[]
      /** Of the recording, so far: 0 to 1. */
      readonly share: number
    }
  | { readonly kind: 'over'; readonly isSealed: boolean; readonly found: SealedFound | undefined }
  | { readonly kind: 'problem'; readonly text: string }

/** Of a dedicated worker; the library of types knows windows only. */
type WorkerScope = {
  addEventListener(type: 'message', listener: (event: MessageEvent<SealedAsk>) => void): void
  postMessage(answer: SealedAnswer, options: { readonly transfer: readonly ArrayBufferLike[] }): void
}
const scope = globalThis as unknown as WorkerScope

scope.addEventListener('message', ({ data }) => {
  read(data).then(
    over => scope.postMessage({ kind: 'over', ...over }, { transfer: [] }),
    (cause: unknown) => scope.postMessage({ kind: 'problem', text: reasonOf(cause) }, { transfer: [] }),
  )
})

async function read({
  stored,
  key,
  session,
  openedAtMs,
}: SealedAsk): Promise<{ isSealed: boolean; found: SealedFound | undefined }> {
  const maker = new KeyframeMaker()
  const entries = new Entries(session, openedAtMs)
  const { isSealed } = await readSealed(stored, key, (records, share) => {
    entries.take(records) // before their bytes are given away
    const keyframes = maker.take(records)
    const events = records.map(playEvent)
    const buffers = events.flatMap(event => (event.kind === 'data' ? [event.data.buffer] : []))
    scope.postMessage({ kind: 'read', events, keyframes, share }, { transfer: [...new Set(buffers)] })
  })
  return { isSealed, found: entries.end() }
}

function playEvent({ us, event }: EventRecord): PlayEvent {
  const atMs = us / 1000
  if ('data' in event)
    return { kind: 'data', atMs, channel: event.channel, stream: event.type, data: event.data }
  return toldEvent(atMs, { ...event.fields, type: event.type })
}

/** What happened is an aid: where it cannot be found, the recording plays all the same. */
class Entries {
  #entries: SealedEntries | undefined

  constructor(session: string, openedAtMs: number) {
    this.#entries = new SealedEntries(session, openedAtMs)
  }

  take(records: readonly EventRecord[]): void {
    this.#try(entries => entries.take(records))
  }

  end(): SealedFound | undefined {
    return this.#try(entries => entries.end())
  }

  #try<T>(work: (entries: SealedEntries) => T): T | undefined {
    try {
      return this.#entries === undefined ? undefined : work(this.#entries)
    } catch {
      this.#entries = undefined
      return undefined
    }
  }
}
