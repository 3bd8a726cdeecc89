/** Waits of one piece for whoever downloads, in milliseconds: longer than any network is away. */
export const maxUntakenMs: number = 5 * 60_000

/** The same bytes, as long as somebody takes them: `give up` is called once, when the next piece was not asked for in time. */
export function whileTaken(
  body: ReadableStream<Uint8Array>,
  giveUp: () => void,
  untakenMs: number = maxUntakenMs,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let timer: NodeJS.Timeout | undefined
  const wait = (): void => {
    timer = setTimeout(() => void reader.cancel().finally(giveUp), untakenMs).unref()
  }
  return new ReadableStream<Uint8Array>(
    {
      start: wait,
      pull: async controller => {
        clearTimeout(timer)
        const { done, value } = await reader.read()
        if (done) return controller.close()
        controller.enqueue(value)
        wait()
      },
      cancel: async cause => {
        clearTimeout(timer)
        await reader.cancel(cause)
      },
    },
    { highWaterMark: 0 }, // asks for a piece when one is taken
  )
}
