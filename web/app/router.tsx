/** The address is the only state of a page: what is shown can be sent to somebody else as a link. */
import {
  type AnchorHTMLAttributes,
  type ComponentChildren,
  createContext,
  type TargetedMouseEvent,
} from 'preact'
import { useContext, useEffect, useMemo, useState } from 'preact/hooks'

/** All pages live below it. */
export const base = '/app'

export type Route = {
  /** Below `/app`: `/sessions/abc`. */
  readonly path: string
  readonly query: URLSearchParams
}
export type NavigateOptions = { readonly replace?: boolean }
/** Undefined, an empty text and an empty list take the key out. */
export type QueryChange = Readonly<Record<string, string | readonly string[] | undefined>>

const current = createContext<Route>({ path: '/', query: new URLSearchParams() })
const changed = 'sallyport-navigated'

export function Router({ children }: { children: ComponentChildren }) {
  const [address, setAddress] = useState(addressNow)
  useEffect(() => {
    const listen = (): void => setAddress(addressNow())
    addEventListener('popstate', listen)
    addEventListener(changed, listen)
    return () => {
      removeEventListener('popstate', listen)
      removeEventListener(changed, listen)
    }
  }, [])
  const route = useMemo(() => routeOf(address), [address])
  return <current.Provider value={route}>{children}</current.Provider>
}

export function useRoute(): Route {
  return useContext(current)
}

/** Goes to a path below `/app`, with its query if it has one. */
export function navigate(to: string, { replace = false }: NavigateOptions = {}): void {
  const url = base + to
  if (url === addressNow()) return
  if (replace) history.replaceState(null, '', url)
  else history.pushState(null, '', url)
  dispatchEvent(new Event(changed))
}

/** Changes the query of the page that is shown. */
export function changeQuery(change: QueryChange, options?: NavigateOptions): void {
  const { path, query } = routeOf(addressNow())
  navigate(pathWith(path, changedQuery(query, change)), options)
}

export function changedQuery(query: URLSearchParams, change: QueryChange): URLSearchParams {
  const next = new URLSearchParams(query)
  for (const [key, value] of Object.entries(change)) {
    next.delete(key)
    for (const one of typeof value === 'string' ? [value] : (value ?? []))
      if (one !== '') next.append(key, one)
  }
  return next
}

export function pathWith(path: string, query: URLSearchParams): string {
  const text = query.toString()
  return text === '' ? path : `${path}?${text}`
}

type LinkProps = Omit<AnchorHTMLAttributes, 'href'> & {
  /** A path below `/app`. */
  readonly to: string
}

/** A plain link that changes the page without loading it, unless the person wants it elsewhere (Ctrl, middle button). */
export function Link({ to, onClick, ...rest }: LinkProps) {
  const follow = (event: TargetedMouseEvent<HTMLAnchorElement>): void => {
    if (typeof onClick === 'function') onClick(event)
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey
    if (!isPlain || event.defaultPrevented) return
    event.preventDefault()
    navigate(to)
  }
  const attributes: object = rest // its types know of undefined, an anchor's do not
  return <a {...attributes} href={base + to} onClick={follow} />
}

function addressNow(): string {
  return location.pathname + location.search
}

function routeOf(address: string): Route {
  const { pathname, searchParams } = new URL(address, location.origin)
  const path = pathname.startsWith(base) ? pathname.slice(base.length) : pathname
  return { path: path === '' ? '/' : path, query: searchParams }
}
