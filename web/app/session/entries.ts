/** All that happened in a session, as a list. */
import { useEffect, useState } from 'preact/hooks'
import type { EntryView } from '../../../src/api/schema.ts'
import { get } from '../api.ts'

export type Entries = { readonly items: readonly EntryView[]; readonly isComplete: boolean }

/** Entries that one page takes. */
const maxEntries = 20_000
/** A live session's list of commands grows on the gateway a moment later. Milliseconds. */
const entriesEveryMs = 10_000

/** All of a list, page by page; of a live session again and again. */
export function useEntries(path: string | undefined, isLive: boolean): Entries {
  const [entries, setEntries] = useState<Entries>({ items: [], isComplete: path === undefined })
  useEffect(() => {
    if (path === undefined) return
    const stop = new AbortController()
    const take = (): void =>
      void fetchAll(path, stop.signal, setEntries).catch(() =>
        setEntries(known => ({ ...known, isComplete: true })),
      )
    take()
    const timer = isLive ? setInterval(take, entriesEveryMs) : undefined
    return () => {
      stop.abort()
      clearInterval(timer)
    }
  }, [path, isLive])
  return entries
}

async function fetchAll(path: string, signal: AbortSignal, tell: (entries: Entries) => void): Promise<void> {
  const items: EntryView[] = []
  let cursor: string | undefined
  do {
    const page: { items: readonly EntryView[]; next?: string } = await get(
      path,
      { limit: 200, cursor },
      signal,
    )
    items.push(...page.items)
    cursor = items.length < maxEntries ? page.next : undefined
    if (cursor === undefined) tell({ items, isComplete: true })
    else if (items.length % 2000 === 0) tell({ items: [...items], isComplete: false })
  } while (cursor !== undefined)
}
