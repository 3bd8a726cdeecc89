/** A session that goes on, for its page: what is read of it is asked for again whenever something was heard of it. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { EntryView, Page, SessionDetail, StatementText } from '../../../../src/api/schema.ts'
import { get } from '../../api.ts'
import { LiveStatements } from './live-statements.ts'
import { type LiveEnd, watchStatements } from './live-socket.ts'

/** What was heard is drawn so often, at most, and what was read is asked for. Milliseconds. */
const drawMs = 250
const readMs = 2000
/** The gateway writes after a second, and what it makes of that takes some more. */
const settleMs = 8000
/** ... and where what was heard is not there by then, it is not asked for forever. Milliseconds. */
const longestMs = 60_000
/** The most that the gateway gives at once. */
const pageRows = 1000

export type Live = {
  readonly entries: readonly EntryView[]
  /** Of what is not in the recording yet. */
  readonly texts: ReadonlyMap<number, StatementText>
  readonly isLoading: boolean
  readonly isOpen: boolean
  readonly end: LiveEnd | undefined
  readonly error: Error | undefined
  /** Watches again, after the connection was lost. */
  readonly again: () => void
}

export function useLive({ id, openedAtMs }: SessionDetail, maxStatements: number, onOver: () => void): Live {
  const [turn, setTurn] = useState(0)
  const [told, setTold] = useState<{ entries?: readonly EntryView[]; error?: Error }>({})
  const [end, setEnd] = useState<LiveEnd>()
  const [drawn, draw] = useState(0)
  const heard = useMemo(() => new LiveStatements(openedAtMs), [id])
  const latest = useRef<readonly EntryView[]>([])
  useEffect(() => {
    setEnd(undefined)
    const list = new TailList(id, maxStatements)
    let isGone = false
    let untilMs = performance.now() + settleMs
    let drawing: ReturnType<typeof setTimeout> | undefined
    const redraw = (): void => {
      drawing ??= setTimeout(() => {
        drawing = undefined
        draw(count => count + 1)
      }, drawMs)
    }
    const read = (): void => {
      list.read().then(
        entries => {
          latest.current = entries
          if (!isGone) setTold({ entries })
        },
        (thrown: unknown) => {
          if (!isGone) setTold(({ entries = [] }) => ({ entries, error: thrown as Error }))
        },
      )
    }
    const close = watchStatements(
      id,
      events => {
        for (const event of events) heard.take(event)
        untilMs = performance.now() + settleMs
        redraw()
      },
      how => {
        untilMs = performance.now() + settleMs
        setEnd(how)
        if (how.isOver) onOver()
      },
    )
    read()
    const timer = setInterval(() => {
      const waitedMs = performance.now() - untilMs
      if (waitedMs < (heard.isAhead(latest.current) ? longestMs : 0)) read()
    }, readMs)
    return () => {
      isGone = true
      close()
      clearInterval(timer)
      clearTimeout(drawing)
    }
  }, [id, turn])
  const isOpen = end === undefined
  const entries = useMemo(() => heard.joined(told.entries ?? [], isOpen), [told.entries, drawn, isOpen])
  return {
    entries,
    texts: heard.texts,
    isLoading: told.entries === undefined && entries.length === 0,
    isOpen,
    end,
    error: told.error,
    again: () => setTurn(turn + 1),
  }
}

/** A list that grows at its end: what may have changed is its last page. */
class TailList {
  readonly #path: string
  readonly #maxEntries: number
  /** Pages that are full, and the cursor behind them. */
  #whole: readonly EntryView[] = []
  #cursor: string | undefined
  #reading: Promise<readonly EntryView[]> | undefined

  constructor(session: string, maxEntries: number) {
    this.#path = `/sessions/${session}/statements`
    this.#maxEntries = maxEntries
  }

  read(): Promise<readonly EntryView[]> {
    this.#reading ??= this.#readOn().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #readOn(): Promise<readonly EntryView[]> {
    for (;;) {
      const page = await get<Page<EntryView>>(this.#path, { limit: pageRows, cursor: this.#cursor })
      const all = [...this.#whole, ...page.items]
      if (page.next === undefined || all.length >= this.#maxEntries) return all
      this.#whole = all
      this.#cursor = page.next
    }
  }
}
