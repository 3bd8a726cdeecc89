/** The address of one finding, as messages to other tools have it: it is shown in the inbox, in the state that it is in. */
import { useEffect } from 'preact/hooks'
import type { FindingDetail } from '../../../../src/api/schema.ts'
import { useResource } from '../../api.ts'
import { Shown } from '../../parts/states.tsx'
import { navigate } from '../../router.tsx'
import type { PageProps } from '../../routes.ts'

export function Page({ names }: PageProps) {
  const found = useResource<FindingDetail>(`/findings/${encodeURIComponent(names['id'] ?? '')}`)
  return (
    <Shown resource={found} what="Opening the finding" isPage>
      {({ id, state }) => <Lead to={`/findings?state=${state}&id=${encodeURIComponent(id)}`} />}
    </Shown>
  )
}

function Lead({ to }: { to: string }) {
  useEffect(() => navigate(to, { replace: true }), [to])
  return <h1>Findings</h1>
}
