/** One session: what it was, what was recorded of it, and what people decided about it. How it is shown depends on its protocol. */
import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { SessionDetail } from '../../../src/api/schema.ts'
import { get, useResource } from '../api.ts'
import { Failed, Loading, Shown } from '../parts/states.tsx'
import type { PageProps } from '../routes.ts'
import { SessionHead } from '../session/head.tsx'
import { VerdictPart } from '../session/verdict.tsx'

/** What shows a session of one protocol. `reload` asks for the detail again: it has ended, somebody has decided. */
export type SessionViewProps = { readonly detail: SessionDetail; readonly reload: () => void }
type SessionView = ComponentType<SessionViewProps>

const views: Readonly<Record<SessionDetail['protocol'], () => Promise<{ readonly View: SessionView }>>> = {
  ssh: () => import('./terminal.tsx'),
  postgres: () => import('./sql.tsx'),
}

export function Page({ names }: PageProps) {
  const detail = useResource<SessionDetail>(`/sessions/${encodeURIComponent(names['id'] ?? '')}`)
  return (
    <Shown resource={detail} what="Opening the session" isPage>
      {data => (
        <Opened key={data.id} detail={data} reload={detail.state === 'ready' ? detail.reload : () => {}} />
      )}
    </Shown>
  )
}

/** The gateway checks the recording while the page is read. Milliseconds, and times. */
const checkAgainMs = 2000
const maxChecks = 30

function Opened({ detail, reload }: SessionViewProps) {
  useUntilChecked(detail, reload)
  const [view, setView] = useState<{ View: SessionView } | { error: Error }>()
  useEffect(() => {
    views[detail.protocol]().then(setView, (thrown: unknown) => setView({ error: thrown as Error }))
  }, [detail.protocol])
  return (
    <article class="session">
      <SessionHead detail={detail} reload={reload} />
      {view === undefined ? <Loading what="Loading the recording" /> : null}
      {view !== undefined && 'error' in view ? <Failed error={view.error} /> : null}
      {view !== undefined && 'View' in view ? <view.View detail={detail} reload={reload} /> : null}
      <VerdictPart detail={detail} reload={reload} />
    </article>
  )
}

/** What fails on the way changes nothing on the page. */
function useUntilChecked({ id, integrity }: SessionDetail, reload: () => void): void {
  const [checks, setChecks] = useState(0)
  const isWaiting = integrity === 'unverified' && checks < maxChecks
  useEffect(() => {
    if (!isWaiting) return
    const stop = new AbortController()
    const look = async (): Promise<void> => {
      const now = await get<SessionDetail>(`/sessions/${id}`, undefined, stop.signal).catch(() => undefined)
      if (stop.signal.aborted) return
      setChecks(checks + 1)
      if (now !== undefined && now.integrity !== integrity) reload()
    }
    const timer = setTimeout(() => void look(), checkAgainMs)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [isWaiting, checks])
}
