/** Inflates and decodes chunks beside the page, so that a seek does not stop it. */
import { decodeFrames } from './event.ts'

export type InflateAsk = { readonly id: number; readonly bytes: ArrayBuffer }
export type InflateAnswer =
  | { readonly id: number; readonly chunks: ReturnType<typeof decodeFrames> }
  | { readonly id: number; readonly problem: string }

/** Of a dedicated worker; the library of types knows windows only. */
type WorkerScope = {
  addEventListener(type: 'message', listener: (event: MessageEvent<InflateAsk>) => void): void
  postMessage(answer: InflateAnswer, options: { readonly transfer: readonly ArrayBufferLike[] }): void
}
const scope = globalThis as unknown as WorkerScope

scope.addEventListener('message', ({ data: { id, bytes } }) => {
  try {
    const chunks = decodeFrames(new Uint8Array(bytes))
    const buffers = chunks.flatMap(({ events }) =>
      events.flatMap(event => (event.kind === 'data' ? [event.data.buffer] : [])),
    )
    scope.postMessage({ id, chunks }, { transfer: [...new Set(buffers)] })
  } catch (thrown) {
    const problem = thrown instanceof Error ? thrown.message : String(thrown)
    scope.postMessage({ id, problem }, { transfer: [] })
  }
})
