/** All that happened in a session, as a list. */
import { useEffect, useState } from 'preact/hooks'
import type { EntryView, Page } from '../../../src/api/schema.ts'
import { get } from '../api.ts'

export type Entries = {
  readonly items: readonly EntryView[]
  /** All of them are here. */
  readonly isComplete: boolean
  /** There are more than a page takes: these are the first. */
  readonly isCut?: boolean
  /** Why they are not all here; `retry` asks again. */
  readonly error?: Error
  readonly retry?: () => void
}

/** Entries that one page takes. */
export const maxEntries = 20_000
/** Of one request, as the gateway has them. */
const pageEntries = 1000
/** A live session's list of commands grows on the gateway a moment later. Milliseconds. */
const entriesEveryMs = 10_000

/** All of a list, page by page; of a live session again and again. What is known stays when it cannot be asked for again. */
export function useEntries(path: string | undefined, isLive: boolean): Entries {
  const [entries, setEntries] = useState<Entries>({ items: [], isComplete: path === undefined })
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    if (path === undefined) return
    const stop = new AbortController()
    const retry = (): void => {
      setEntries({ items: [], isComplete: false })
      setTurn(turn => turn + 1)
    }
    const take = (): void =>
      void fetchEntries(cursor => get(path, { limit: pageEntries, cursor }, stop.signal), setEntries).catch(
        (thrown: unknown) => {
          if (stop.signal.aborted) return
          setEntries(known => ({ ...known, isComplete: false, error: thrown as Error, retry }))
        },
      )
    take()
    const timer = isLive ? setInterval(take, entriesEveryMs) : undefined
    return () => {
      stop.abort()
      clearInterval(timer)
    }
  }, [path, isLive, turn])
  return entries
}

/** `tell` hears now and then of what is there so far, and at the end of all. Rejects as `ask` does. */
export async function fetchEntries(
  ask: (cursor: string | undefined) => Promise<Page<EntryView>>,
  tell: (entries: Entries) => void,
): Promise<void> {
  const items: EntryView[] = []
  let cursor: string | undefined
  do {
    const page = await ask(cursor)
    items.push(...page.items)
    cursor = page.next
    if (items.length >= maxEntries && cursor !== undefined)
      return tell({ items, isComplete: false, isCut: true })
    if (cursor === undefined) tell({ items, isComplete: true })
    else if (items.length % (2 * pageEntries) === 0) tell({ items: [...items], isComplete: false })
  } while (cursor !== undefined)
}
