/** The gateway's HTTP interface, as the pages use it: same origin, with the cookie of the sign-in. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Me, Page, ProblemDocument } from '../../src/api/schema.ts'

export const apiBase = '/api/v1'

/** Keys without a value are left out; a list repeats its key. */
export type Query = Readonly<Record<string, string | number | undefined | readonly string[]>>

/** The gateway said no, and why: in `message`, for people. */
export class ProblemError extends Error {
  readonly status: number
  readonly title: string

  constructor(status: number, title: string, detail: string) {
    super(detail)
    this.status = status
    this.title = title
  }
}

/** The gateway was not reached. */
export class OfflineError extends Error {}

/** Goes with every request that changes something. */
let formToken = ''
/** Whom the page was loaded for. */
let signedInAs = ''

export function setSignedIn({ formToken: token, name }: Pick<Me, 'formToken' | 'name'>): void {
  formToken = token
  signedInAs = name
}

export function addressOf(path: string, query: Query = {}): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [String(value)])
      search.append(key, one)
  }
  const text = search.toString()
  return apiBase + path + (text === '' ? '' : `?${text}`)
}

/** Rejects with a ProblemError or an OfflineError. */
export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const answer = await ask(addressOf(path, query), signal === undefined ? {} : { signal })
  return (await answer.json()) as T
}

/** The body as it is. */
export async function getBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await ask(addressOf(path), signal === undefined ? {} : { signal })).arrayBuffer()
}

/** The body piece by piece, for what may be long. */
export async function getPieces(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const { body } = await ask(addressOf(path), { signal })
  return piecesOf(body)
}

/** Not every browser iterates streams. */
async function* piecesOf(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body?.getReader()
  if (reader === undefined) return
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Undefined where the gateway has nothing to answer (204). */
export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  return change<T>('POST', path, JSON.stringify(body))
}

export async function remove(path: string): Promise<void> {
  await change('DELETE', path, null)
}

async function change<T>(method: 'POST' | 'DELETE', path: string, body: string | null): Promise<T> {
  const answer = await askToChange(method, path, body)
  const text = await answer.text()
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** Once more, if the person has signed in again since the page was loaded, in another window: tokens belong to sign-ins. */
async function askToChange(method: string, path: string, body: string | null): Promise<Response> {
  const used = formToken
  const send = (token: string): Promise<Response> =>
    ask(addressOf(path), {
      method,
      headers: { 'Content-Type': 'application/json', 'X-Sallyport-Token': token },
      body,
    })
  try {
    return await send(used)
  } catch (thrown) {
    if (!(thrown instanceof ProblemError) || thrown.status !== 403) throw thrown
    const me = await get<Pick<Me, 'formToken' | 'name'>>('/me')
    if (me.formToken === used) throw thrown
    if (me.name !== signedInAs) throw new ProblemError(403, 'Somebody else', somebodyElse(me.name))
    setSignedIn(me)
    return send(me.formToken)
  }
}

/** Tells the gateway something while the page goes away; nobody waits for the answer. */
export function tell(path: string, body: unknown): void {
  void fetch(addressOf(path), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Sallyport-Token': formToken },
    body: JSON.stringify(body),
    keepalive: true,
  }).catch(() => {})
}

async function ask(address: string, init: RequestInit): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(address, { ...init, credentials: 'same-origin' })
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown
    throw new OfflineError('The gateway does not answer.')
  }
  if (!answer.ok) throw await problemOf(answer)
  return answer
}

/** Nobody decides in another one's name. */
function somebodyElse(name: string): string {
  return `This page is not of ${name}, who is signed in now, so nothing was changed. Load it again.`
}

/** What forms say then; `Problem` adds the way back. */
export const signedOutText = 'You are not signed in any more, so nothing was changed.'

async function problemOf(answer: Response): Promise<ProblemError> {
  if (answer.status === 401) return new ProblemError(401, 'Not signed in', signedOutText)
  const document = (await answer.json().catch(() => ({}))) as Partial<ProblemDocument>
  const title = document.title ?? `The gateway answered ${answer.status}`
  return new ProblemError(answer.status, title, document.detail ?? 'It gave no reason.')
}

export type Resource<T> =
  | { readonly state: 'loading' }
  | { readonly state: 'ready'; readonly data: T; readonly reload: () => void }
  | { readonly state: 'failed'; readonly error: Error; readonly retry: () => void }

/**
 * Something that a page shows. Asks again when path or query change, and when told to. Without a path it waits. While it is asked for
 * again at the same address, what is known stays.
 */
export function useResource<T>(path: string | undefined, query?: Query): Resource<T> {
  const address = path === undefined ? undefined : addressOf(path, query)
  const [turn, setTurn] = useState(0)
  const [known, setKnown] = useState<{ address: string | undefined; data?: T; error?: Error }>({ address })
  const again = useCallback(() => setTurn(turn => turn + 1), [])
  useEffect(() => {
    if (path === undefined) return
    const stop = new AbortController()
    get<T>(path, query, stop.signal).then(
      data => setKnown({ address, data }),
      (thrown: unknown) => {
        if (!stop.signal.aborted) setKnown({ address, error: thrown as Error })
      },
    )
    return () => stop.abort()
  }, [address, turn])
  if (known.address !== address) return { state: 'loading' }
  if (known.error !== undefined) return { state: 'failed', error: known.error, retry: again }
  if (known.data !== undefined) return { state: 'ready', data: known.data, reload: again }
  return { state: 'loading' }
}

export type Pages<T, P extends Page<T>> = {
  readonly items: readonly T[]
  /** What the first page said besides: its total, for one. */
  readonly first: P | undefined
  readonly isFetching: boolean
  /** Nothing comes after what is here. */
  readonly isOver: boolean
  readonly error: Error | undefined
  /** Asks for the next page, or once more for the one that failed. */
  readonly more: () => void
  /** Begins anew. */
  readonly reload: () => void
}

/** A list that is fetched page by page, with the cursor that each page gives. */
export function usePages<T, P extends Page<T> = Page<T>>(
  path: string | undefined,
  query?: Query,
): Pages<T, P> {
  const address = path === undefined ? undefined : addressOf(path, query)
  type Known = { key: string; items: T[]; first?: P; next?: string; isOver: boolean; error?: Error }
  const [turn, setTurn] = useState(0)
  const key = `${address ?? ''} ${turn}`
  const empty: Known = { key, items: [], isOver: false }
  const [known, setKnown] = useState<Known>(empty)
  const [isFetching, setFetching] = useState(false)
  const asking = useRef<AbortController | undefined>(undefined)
  const shown = known.key === key ? known : empty
  const fetchMore = (from: Known): void => {
    if (path === undefined || from.isOver || asking.current !== undefined) return
    const stop = new AbortController()
    asking.current = stop
    setFetching(true)
    get<P>(path, { ...query, cursor: from.next }, stop.signal)
      .then(
        page => {
          const items = from.items.length === 0 ? [...page.items] : from.items.concat(page.items)
          const first = from.first ?? page
          const next = page.next === undefined ? {} : { next: page.next }
          if (!stop.signal.aborted) setKnown({ key, items, first, ...next, isOver: page.next === undefined })
        },
        (thrown: unknown) => {
          if (!stop.signal.aborted) setKnown({ ...from, error: thrown as Error })
        },
      )
      .finally(() => {
        if (asking.current !== stop) return
        asking.current = undefined
        setFetching(false)
      })
  }
  useEffect(() => {
    fetchMore(empty)
    return () => {
      asking.current?.abort()
      asking.current = undefined
    }
  }, [key])
  return {
    items: shown.items,
    first: shown.first,
    isFetching: isFetching || (path !== undefined && known.key !== key),
    isOver: shown.isOver,
    error: shown.error,
    more: () => fetchMore(shown),
    reload: () => setTurn(turn => turn + 1),
  }
}
