/** Views that somebody saved in this browser: a name, and the filters of the address. */

export type View = { readonly name: string; readonly query: string }

const place = 'sallyport views'
/** More than this nobody finds anything in. */
export const maxViews = 30

export const givenViews: readonly View[] = [
  { name: 'All sessions', query: '' },
  { name: 'To review: with findings', query: 'finding=1&reviewed=0' },
  { name: 'Live now', query: 'state=open' },
  { name: 'Last 24 hours', query: 'last=24h' },
]

export function savedViews(): readonly View[] {
  try {
    const read: unknown = JSON.parse(localStorage.getItem(place) ?? '[]')
    return Array.isArray(read) ? read.filter(isView).slice(0, maxViews) : []
  } catch {
    return []
  }
}

function isView(one: unknown): one is View {
  if (typeof one !== 'object' || one === null) return false
  return 'name' in one && typeof one.name === 'string' && 'query' in one && typeof one.query === 'string'
}

/** One of the same name is replaced. */
export function saveView(view: View): void {
  keep([...savedViews().filter(({ name }) => name !== view.name), view].slice(-maxViews))
}

export function forgetView(name: string): void {
  keep(savedViews().filter(view => view.name !== name))
}

function keep(views: readonly View[]): void {
  try {
    localStorage.setItem(place, JSON.stringify(views))
  } catch {
    // a browser that keeps nothing has the given ones
  }
}
