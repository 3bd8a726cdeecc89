/** Views that are always there, those that the person keeps at the gateway, and the way to keep the one that is shown. */
import { useState } from 'preact/hooks'
import type { SavedView, SavedViewWish } from '../../../src/api/schema.ts'
import { post, remove, useResource } from '../api.ts'
import { withMarks } from '../parts/hidden-text.ts'
import { Line } from '../parts/hidden.tsx'
import { Popover } from '../parts/popover.tsx'
import { say } from '../parts/said.tsx'
import { Problem } from '../parts/problem.tsx'
import { navigate, useRoute } from '../router.tsx'

const givenViews: readonly Pick<SavedView, 'name' | 'query'>[] = [
  { name: 'All sessions', query: '' },
  { name: 'To review: with findings', query: 'finding=1&reviewed=0' },
  { name: 'To review: somebody asked', query: 'wanted=1&reviewed=0' },
  { name: 'To review: assigned to me', query: 'assignee=me&reviewed=0' },
  { name: 'Live now', query: 'state=open' },
  { name: 'Last 24 hours', query: 'last=24h' },
]

export function ViewsMenu() {
  return (
    <Popover class="button small" label="Views">
      {close => <Views onDone={close} />}
    </Popover>
  )
}

function Views({ onDone }: { onDone: () => void }) {
  const { path, query } = useRoute()
  const kept = useResource<readonly SavedView[]>('/me/views')
  const own = kept.state === 'ready' ? kept.data.filter(({ page }) => page === 'sessions') : []
  const [name, setName] = useState('')
  const [problem, setProblem] = useState('')
  const open = (query: string): void => {
    navigate(query === '' ? path : `${path}?${query}`)
    onDone()
  }
  const change = async (work: Promise<unknown>, done: string): Promise<void> => {
    try {
      await work
      say(done)
      setName('')
      setProblem('')
      if (kept.state === 'ready') kept.reload()
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
  }
  const save = (event: Event): void => {
    event.preventDefault()
    const wish: SavedViewWish = { name: name.trim(), page: 'sessions', query: query.toString() }
    if (wish.name !== '') void change(post('/me/views', wish), 'The view is kept.')
  }
  return (
    <>
      <ul class="views">
        {givenViews.map(view => (
          <li key={view.name}>
            <button type="button" class="plain" onClick={() => open(view.query)}>
              {view.name}
            </button>
          </li>
        ))}
        {own.map(view => (
          <li key={view.id}>
            <button type="button" class="plain" onClick={() => open(view.query)}>
              <Line text={view.name} max={80} />
            </button>
            <button
              type="button"
              class="icon"
              aria-label={`Forget ${withMarks(view.name)}`}
              onClick={() => void change(remove(`/me/views/${view.id}`), 'The view is forgotten.')}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={save}>
        <label class="field">
          Save this view as
          <input
            type="text"
            maxLength={80}
            value={name}
            onInput={event => setName(event.currentTarget.value)}
          />
        </label>
        <Problem text={problem} />
        <button type="submit" class="button small first">
          Save
        </button>
      </form>
    </>
  )
}
