import { useState } from 'preact/hooks'
import { Line } from '../parts/hidden.tsx'
import { Popover } from '../parts/popover.tsx'
import { navigate, useRoute } from '../router.tsx'
import { forgetView, givenViews, saveView, savedViews, type View } from './views.ts'

/** Views that are always there, those that this browser keeps, and the way to keep the one that is shown. */
export function ViewsMenu() {
  const { path, query } = useRoute()
  const [saved, setSaved] = useState(savedViews)
  const [name, setName] = useState('')
  const open = (view: View): void => navigate(view.query === '' ? path : `${path}?${view.query}`)
  const save = (event: Event): void => {
    event.preventDefault()
    if (name.trim() === '') return
    saveView({ name: name.trim(), query: query.toString() })
    setName('')
    setSaved(savedViews())
  }
  return (
    <Popover class="button small" label="Views">
      {close => (
        <>
          <ul class="views">
            {[...givenViews, ...saved].map((view, index) => (
              <li key={view.name}>
                <button
                  type="button"
                  class="plain"
                  onClick={() => {
                    open(view)
                    close()
                  }}
                >
                  <Line text={view.name} max={80} />
                </button>
                {index < givenViews.length ? null : (
                  <button
                    type="button"
                    class="icon"
                    aria-label={`Forget ${view.name}`}
                    onClick={() => {
                      forgetView(view.name)
                      setSaved(savedViews())
                    }}
                  >
                    ×
                  </button>
                )}
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
            <button type="submit" class="button small first">
              Save
            </button>
            <p class="quiet small">Kept in this browser. To share it, send the address.</p>
          </form>
        </>
      )}
    </Popover>
  )
}
