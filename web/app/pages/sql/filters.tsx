/** Which statements are shown: classes with their counts, what is new, what met a rule, and words. */
import type { ComponentChildren } from 'preact'
import { changeQuery, useRoute } from '../../router.tsx'
import type { Filter } from './filter.ts'
import { type Look, lookOf, looks } from './look.ts'
import { LookShape } from './shape.tsx'
import type { Statement } from './statement.ts'

const all = Object.keys(looks) as Look[]

export function Filters({
  statements,
  filter,
  shown,
  isWhole,
}: {
  statements: readonly Statement[]
  filter: Filter
  shown: number
  isWhole: boolean
}) {
  const { query } = useRoute()
  const counts = new Map<Look, number>()
  for (const statement of statements) counts.set(lookOf(statement), (counts.get(lookOf(statement)) ?? 0) + 1)
  const only = [...(filter.onlyFirst ? ['first'] : []), ...(filter.onlyHits ? ['hits'] : [])]
  return (
    <div class="row-of sql-filters" role="group" aria-label="Which statements">
      {all
        .filter(look => (counts.get(look) ?? 0) > 0 || filter.looks.includes(look))
        .map(look => (
          <Chip
            key={look}
            isOn={filter.looks.includes(look)}
            title={looks[look].what}
            onToggle={() => changeQuery({ class: toggled(filter.looks, look) })}
          >
            <LookShape is={look} /> {looks[look].name} <span class="quiet">{counts.get(look) ?? 0}</span>
          </Chip>
        ))}
      <Chip
        isOn={filter.onlyFirst}
        title="First of its shape for this person"
        onToggle={() => changeQuery({ only: toggled(only, 'first') })}
      >
        New for the person
      </Chip>
      <Chip
        isOn={filter.onlyHits}
        title="Statements that met a rule"
        onToggle={() => changeQuery({ only: toggled(only, 'hits') })}
      >
        Met a rule
      </Chip>
      {filter.fingerprint === undefined ? null : (
        <Chip isOn title={filter.fingerprint} onToggle={() => changeQuery({ fingerprint: undefined })}>
          Of one shape <span aria-hidden="true">×</span>
        </Chip>
      )}
      <input
        type="search"
        aria-label="Words in statements"
        placeholder="Filter by words"
        value={query.get('text') ?? ''}
        autocomplete="off"
        spellcheck={false}
        onInput={event => changeQuery({ text: event.currentTarget.value }, { replace: true })}
      />
      <span class="quiet" role="status">
        {shown.toLocaleString('en')} of {statements.length.toLocaleString('en')}
        {isWhole ? '' : ' so far'}
      </span>
      <label class="tick push">
        <input
          type="checkbox"
          role="switch"
          checked={query.get('group') === '1'}
          onChange={event => changeQuery({ group: event.currentTarget.checked ? '1' : undefined })}
        />
        Group by shape
      </label>
    </div>
  )
}

function Chip({
  isOn,
  title,
  onToggle,
  children,
}: {
  isOn: boolean
  title: string
  onToggle: () => void
  children: ComponentChildren
}) {
  return (
    <button
      type="button"
      class={`chip ${isOn ? 'on' : ''}`}
      aria-pressed={isOn}
      title={title}
      onClick={onToggle}
    >
      {children}
    </button>
  )
}

function toggled<T>(list: readonly T[], one: T): readonly T[] {
  return list.includes(one) ? list.filter(other => other !== one) : [...list, one]
}
