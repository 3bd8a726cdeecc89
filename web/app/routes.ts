/** Which page stands at which address. One line a page; each is loaded when somebody goes there. */
import type { ComponentType } from 'preact'

export type PageProps = {
  /** What the path's names stand for: `id` in `/sessions/:id`. */
  readonly names: Readonly<Record<string, string>>
}
type PageRoute = {
  readonly path: string
  readonly title: string
  readonly load: () => Promise<{ readonly Page: ComponentType<PageProps> }>
}

const routes: readonly PageRoute[] = [
  { path: '/sessions', title: 'Sessions', load: () => import('./pages/sessions.tsx') },
  { path: '/live', title: 'Live', load: () => import('./pages/live.tsx') },
  { path: '/compare', title: 'Compare', load: () => import('./pages/compare.tsx') },
  { path: '/sessions/:id', title: 'Session', load: () => import('./pages/session.tsx') },
  { path: '/search', title: 'Search', load: () => import('./pages/search/page.tsx') },
  { path: '/findings', title: 'Findings', load: () => import('./pages/findings/page.tsx') },
  { path: '/findings/:id', title: 'Findings', load: () => import('./pages/findings/one.tsx') },
  { path: '/integrity', title: 'Integrity', load: () => import('./pages/integrity/page.tsx') },
  { path: '/policy', title: 'Policies', load: () => import('./pages/policy/page.tsx') },
  { path: '/connect', title: 'Connect', load: () => import('./pages/connect/page.tsx') },
  { path: '/me', title: 'About me', load: () => import('./pages/me/page.tsx') },
  { path: '/requests', title: 'Requests', load: () => import('./pages/later.tsx') },
  { path: '/access-reviews', title: 'Access reviews', load: () => import('./pages/later.tsx') },
]

/** Where `/app` leads. */
export const firstPath = '/sessions'

/** The page at a path below `/app`, with its names. */
export function pageAt(path: string): { route: PageRoute; names: Record<string, string> } | undefined {
  for (const route of routes) {
    const names = match(route.path, path)
    if (names !== undefined) return { route, names }
  }
  return undefined
}

function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const given = path.replace(/\/$/, '').split('/')
  if (wanted.length !== given.length) return undefined
  const names: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const text = given[index] ?? ''
    if (part.startsWith(':')) names[part.slice(1)] = decoded(text)
    else if (part !== text) return undefined
  }
  return names
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
