/** What the list is filtered by, and what else it can be. All of it is in the address. */
import { useState } from 'preact/hooks'
import { withMarks } from '../parts/hidden-text.ts'
import { Line } from '../parts/hidden.tsx'
import { Popover } from '../parts/popover.tsx'
import { inputText, readInstant, zoneWords } from '../parts/instant.ts'
import { textOf } from '../parts/time.tsx'
import { changeQuery, useRoute } from '../router.tsx'
import { useSetting, type Zone } from '../settings.ts'
import {
  choices,
  filterKeys,
  filterNames,
  hasFilters,
  instantOf,
  instantText,
  presets,
  type ValueFilter,
  valueFilters,
  withoutValue,
  withValue,
} from './filters.ts'

/** Set from cells and by links. */
const withoutChip: readonly ValueFilter[] = ['id', 'source']

/** `fixed` are the filters that the page itself sets. */
export function FilterChips({ fixed = [] }: { fixed?: readonly ValueFilter[] }) {
  const { query } = useRoute()
  const shown = valueFilters.filter(key => !withoutChip.includes(key) && !fixed.includes(key))
  return (
    <div class="chips" role="group" aria-label="Filters">
      <TimeChip />
      {shown.map(key => (
        <ValueChip key={key} name={key} />
      ))}
      <button
        type="button"
        class={`chip ${query.get('finding') === '1' ? 'on' : ''}`}
        aria-pressed={query.get('finding') === '1'}
        onClick={() => changeQuery({ finding: query.get('finding') === '1' ? undefined : '1' })}
      >
        Has finding
      </button>
      <ReviewedChip />
      <WantedChip />
      <Active fixed={fixed} />
    </div>
  )
}

function TimeChip() {
  const { query } = useRoute()
  const [zone] = useSetting('zone')
  const preset = presets.find(({ key }) => key === query.get('last'))
  const [from, to] = [instantOf(query.get('from')), instantOf(query.get('to'))]
  const range =
    from === undefined && to === undefined
      ? 'Any time'
      : `${from === undefined ? '…' : textOf(from, zone, false, false)} – ${to === undefined ? 'now' : textOf(to, zone)}`
  const isOn = preset !== undefined || from !== undefined || to !== undefined
  return (
    <Popover class={`chip ${isOn ? 'on' : ''}`} label={<>Time: {preset?.name ?? range}</>}>
      {close => (
        <>
          <div class="choices">
            {presets.map(({ key, name }) => (
              <button
                type="button"
                class="button small"
                key={key}
                aria-pressed={query.get('last') === key}
                onClick={() => {
                  changeQuery({ last: key, from: undefined, to: undefined })
                  close()
                }}
              >
                {name}
              </button>
            ))}
            <button
              type="button"
              class="button small"
              onClick={() => {
                changeQuery({ last: undefined, from: undefined, to: undefined })
                close()
              }}
            >
              Any time
            </button>
          </div>
          <RangeForm key={zone} zone={zone} from={from} to={to} onDone={close} />
        </>
      )}
    </Popover>
  )
}

/** From and to, as text in the zone that the pages show: pickers of browsers know the browser's zone only. The address has UTC. */
function RangeForm({
  zone,
  from,
  to,
  onDone,
}: {
  zone: Zone
  from: number | undefined
  to: number | undefined
  onDone: () => void
}) {
  const shown = (ms: number | undefined): string => (ms === undefined ? '' : inputText(ms, zone))
  const [texts, setTexts] = useState({ from: shown(from), to: shown(to) })
  const [problem, setProblem] = useState('')
  const apply = (event: Event): void => {
    event.preventDefault()
    const read = { from: readInstant(texts.from, zone), to: readInstant(texts.to, zone) }
    if (Number.isNaN(read.from) || Number.isNaN(read.to))
      return setProblem(`Write times like 2026-11-21 14:00, in ${zoneWords(zone)}.`)
    changeQuery({ last: undefined, from: textOrNone(read.from), to: textOrNone(read.to) })
    onDone()
  }
  return (
    <form onSubmit={apply}>
      {(['from', 'to'] as const).map(name => (
        <label class="field" key={name}>
          {name === 'from' ? 'From' : 'To'} ({zoneWords(zone)})
          <input
            type="text"
            inputMode="numeric"
            placeholder="2026-11-21 14:00"
            value={texts[name]}
            onInput={event => setTexts({ ...texts, [name]: event.currentTarget.value })}
          />
        </label>
      ))}
      {problem === '' ? null : (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="button small first">
        Apply
      </button>
    </form>
  )
}

function textOrNone(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : instantText(ms)
}

function ValueChip({ name }: { name: ValueFilter }) {
  const { query } = useRoute()
  const values = query.getAll(name)
  const known = choices[name]
  return (
    <Popover class={`chip ${values.length > 0 ? 'on' : ''}`} label={filterNames[name]}>
      {close =>
        known === undefined ? (
          <TextForm name={name} onDone={close} />
        ) : (
          <ChoiceForm name={name} of={known} onDone={close} />
        )
      }
    </Popover>
  )
}

function TextForm({ name, onDone }: { name: ValueFilter; onDone: () => void }) {
  const { query } = useRoute()
  const [text, setText] = useState('')
  const [isOut, setOut] = useState(false)
  const apply = (event: Event): void => {
    event.preventDefault()
    const value = text.trim()
    if (value !== '') changeQuery({ [name]: withValue(query, name, isOut ? `-${value}` : value) })
    onDone()
  }
  return (
    <form onSubmit={apply}>
      <label class="field">
        {filterNames[name]}
        <input
          type="text"
          value={text}
          spellcheck={false}
          autocomplete="off"
          onInput={event => setText(event.currentTarget.value)}
        />
      </label>
      <p>
        <label class="tick">
          <input type="checkbox" checked={isOut} onChange={event => setOut(event.currentTarget.checked)} />
          All but this
        </label>
      </p>
      <button type="submit" class="button small first">
        Apply
      </button>
    </form>
  )
}

function ChoiceForm({
  name,
  of,
  onDone,
}: {
  name: ValueFilter
  of: readonly (readonly [string, string])[]
  onDone: () => void
}) {
  const { query } = useRoute()
  return (
    <div class="choices">
      {of.map(([value, text]) => {
        const isOn = query.getAll(name).includes(value)
        return (
          <button
            type="button"
            class="button small"
            key={value}
            aria-pressed={isOn}
            onClick={() => {
              changeQuery({ [name]: isOn ? undefined : [value] })
              onDone()
            }}
          >
            {text}
          </button>
        )
      })}
    </div>
  )
}

function ReviewedChip() {
  const { query } = useRoute()
  const reviewed = query.get('reviewed')
  const next = reviewed === null ? '0' : reviewed === '0' ? '1' : undefined
  const text = reviewed === null ? 'Reviewed or not' : reviewed === '0' ? 'Not reviewed' : 'Reviewed'
  return (
    <button
      type="button"
      class={`chip ${reviewed === null ? '' : 'on'}`}
      onClick={() => changeQuery({ reviewed: next })}
    >
      {text}
    </button>
  )
}

function WantedChip() {
  const { query } = useRoute()
  const isOn = query.get('wanted') === '1'
  return (
    <button
      type="button"
      class={`chip ${isOn ? 'on' : ''}`}
      aria-pressed={isOn}
      onClick={() => changeQuery({ wanted: isOn ? undefined : '1' })}
    >
      Review wanted
    </button>
  )
}

/** Each value with what takes it out. */
function Active({ fixed }: { fixed: readonly ValueFilter[] }) {
  const { query } = useRoute()
  const values = valueFilters
    .filter(key => !fixed.includes(key))
    .flatMap(key => query.getAll(key).map(value => ({ key, value })))
  return (
    <>
      {values.map(({ key, value }) => (
        <button
          type="button"
          class="chip on"
          key={`${key} ${value}`}
          aria-label={`Take out: ${filterNames[key]} ${withMarks(value)}`}
          onClick={() => changeQuery({ [key]: withoutValue(query, key, value) })}
        >
          {filterNames[key].toLowerCase()}
          {value.startsWith('-') ? ' is not ' : ': '}
          <Line text={value.replace(/^-/, '')} max={40} /> <span aria-hidden="true">×</span>
        </button>
      ))}
      {hasFilters(query) ? (
        <button
          type="button"
          class="plain"
          onClick={() => changeQuery(Object.fromEntries(filterKeys.map(key => [key, undefined])))}
        >
          Clear
        </button>
      ) : null}
    </>
  )
}
