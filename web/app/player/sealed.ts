/** An encrypted recording, opened in this page with the auditor's own key: the key and what it opens never leave it. */
import type { ReplayKeyframe, Replay } from '../../../src/api/schema.ts'
import type { PlayEvent } from './event.ts'
import { fetchSealed, readingText } from './sealed-file.ts'
import type { SealedFound } from './sealed-entries.ts'
import type { SealedAnswer, SealedAsk } from './sealed-worker.ts'
import type { Source } from './source.ts'
import { infoOf, piecesOf } from './tail.ts'
import { trusted } from './worker-address.ts'
// oxlint-disable-next-line import/default -- Vite's: where the worker is built to
import address from './sealed-worker.ts?worker&url'

export type OpenedSource = {
  readonly source: Source
  /** Undefined where the page could not find what happened. */
  readonly found: SealedFound | undefined
  /** False if its end is missing. */
  readonly isSealed: boolean
}

/** Throws with a sentence for whoever chose the key. `say` hears how far it is. */
export async function openSealed(
  session: string,
  openedAtMs: number,
  key: string,
  passphrase: string,
  say: (text: string) => void,
): Promise<OpenedSource> {
  const file = await fetchSealed(session, key, passphrase)
  const { events, keyframes, isSealed, found } = await readInWorker({ ...file, session, openedAtMs }, share =>
    say(readingText(share)),
  )
  return {
    source: new MemorySource(infoOf(openedAtMs, events), events, keyframes),
    found,
    isSealed,
  }
}

type Read = {
  readonly events: readonly PlayEvent[]
  readonly keyframes: readonly ReplayKeyframe[]
  readonly isSealed: boolean
  /** Undefined where the page could not find what happened. */
  readonly found: SealedFound | undefined
}

/** The worker ends with it, and the key that it was given goes with the worker. */
function readInWorker(ask: SealedAsk, progress: (share: number) => void): Promise<Read> {
  const worker = new Worker(trusted(address), { type: 'module', name: 'sealed' })
  const events: PlayEvent[] = []
  const keyframes: ReplayKeyframe[] = []
  const read = new Promise<Read>((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<SealedAnswer>) => {
      if (data.kind === 'problem') return reject(new Error(data.text))
      if (data.kind === 'over')
        return resolve({ events, keyframes, isSealed: data.isSealed, found: data.found })
      for (const event of data.events) events.push(event)
      keyframes.push(...data.keyframes)
      progress(data.share)
    })
    worker.addEventListener('error', () =>
      reject(new Error('The page could not read the recording. Load it again.')),
    )
  })
  worker.postMessage(ask, [ask.stored])
  return read.finally(() => worker.terminate())
}

class MemorySource implements Source {
  readonly info: Replay
  readonly #pieces: readonly (readonly PlayEvent[])[]
  readonly #keyframes: readonly ReplayKeyframe[]

  constructor(info: Replay, events: readonly PlayEvent[], keyframes: readonly ReplayKeyframe[]) {
    this.info = {
      ...info,
      keyframes: keyframes.map(({ channel, atMs, chunk }, number) => ({ number, channel, atMs, chunk })),
    }
    this.#pieces = piecesOf(events)
    this.#keyframes = keyframes
  }

  async load(): Promise<void> {}

  events(place: number): readonly PlayEvent[] | undefined {
    return this.#pieces[place]
  }

  async keyframe(place: number): Promise<ReplayKeyframe> {
    const keyframe = this.#keyframes[place]
    if (keyframe === undefined) throw new TypeError('there is no such keyframe')
    return keyframe
  }

  close(): void {}
}
