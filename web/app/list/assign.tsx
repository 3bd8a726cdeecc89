/** Giving sessions to who is to review them. */
import { useState } from 'preact/hooks'
import type { AssignWish } from '../../../src/api/schema.ts'
import { post } from '../api.ts'
import { Popover } from '../parts/popover.tsx'
import { Problem } from '../parts/problem.tsx'
import { say } from '../parts/said.tsx'

/** One by one; why some were not given to them, each reason once. */
async function assign(ids: readonly string[], wish: AssignWish): Promise<string> {
  const problems = new Set<string>()
  for (const id of ids)
    await post(`/sessions/${encodeURIComponent(id)}/assign`, wish).catch((thrown: unknown) => {
      problems.add((thrown as Error).message)
    })
  return [...problems].join(' ')
}

export function AssignTo({ ids, onDone }: { ids: readonly string[]; onDone: () => void }) {
  return (
    <Popover class="button small" label="Assign…">
      {close => (
        <Form
          ids={ids}
          onDone={() => {
            close()
            onDone()
          }}
        />
      )}
    </Popover>
  )
}

function Form({ ids, onDone }: { ids: readonly string[]; onDone: () => void }) {
  const [name, setName] = useState('')
  const [problem, setProblem] = useState('')
  const give = async (to: string, done: string): Promise<void> => {
    const failed = await assign(ids, { to })
    setProblem(failed)
    if (failed !== '') return
    say(done)
    onDone()
  }
  const send = (event: Event): void => {
    event.preventDefault()
    const to = name.trim()
    if (to !== '') void give(to, `Assigned to ${to}`)
  }
  return (
    <form onSubmit={send}>
      <div class="choices">
        <button type="button" class="button small" onClick={() => void give('me', 'Assigned to you')}>
          To me
        </button>
        <button type="button" class="button small" onClick={() => void give('nobody', 'Assigned to nobody')}>
          To nobody
        </button>
      </div>
      <label class="field">
        To somebody who reviews here
        <input
          type="text"
          maxLength={300}
          autocomplete="off"
          spellcheck={false}
          value={name}
          onInput={event => setName(event.currentTarget.value)}
        />
      </label>
      <Problem text={problem} />
      <button type="submit" class="button small first">
        Assign
      </button>
    </form>
  )
}
