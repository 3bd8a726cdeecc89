/** Sessions that are open while they are listed: asked about again, so that none is called live that has ended. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { SessionPage, SessionSummary } from '../../../src/api/schema.ts'
import { get } from '../api.ts'

/** Milliseconds. */
const everyMs = 5000
/** As many as one question may name; the newest stand first, and are open the most. */
const maxAsked = 50

type Rows = readonly SessionSummary[]

/** The rows as they are by now. `isOn`: the list is not asked for again as a whole anyway. */
export function useLiveRows(rows: Rows, isOn: boolean): Rows {
  const [fresh, setFresh] = useState<ReadonlyMap<string, SessionSummary>>(new Map())
  const known = useMemo(
    () => (fresh.size === 0 ? rows : rows.map(row => fresh.get(row.id) ?? row)),
    [rows, fresh],
  )
  useEffect(() => setFresh(before => (before.size === 0 ? before : new Map())), [rows])
  const open = useRef<readonly string[]>([])
  open.current = useMemo(() => openIn(known), [known])
  useEffect(() => {
    if (!isOn) return
    const ask = (): void => {
      if (open.current.length === 0 || document.visibilityState !== 'visible') return
      get<SessionPage>('/sessions', { id: open.current, limit: maxAsked }).then(
        ({ items }) => setFresh(before => new Map([...before, ...items.map(row => [row.id, row] as const)])),
        () => {}, // they stay what they were; whoever asks for the list is told why
      )
    }
    const timer = setInterval(ask, everyMs)
    return () => clearInterval(timer)
  }, [isOn])
  return known
}

function openIn(rows: Rows): readonly string[] {
  const ids: string[] = []
  for (const { id, state } of rows) {
    if (state === 'open') ids.push(id)
    if (ids.length === maxAsked) break
  }
  return ids
}
