/** A value of a cell, with what filters by it in one press: for it, or for all others. What else can be done with it is in the menu. */
import type { ComponentChildren } from 'preact'
import { copyText } from '../parts/copy.tsx'
import { Line } from '../parts/hidden.tsx'
import { MenuButton, type MenuItem } from '../parts/menu.tsx'
import { changeQuery, useRoute } from '../router.tsx'
import { type ValueFilter, withValue } from './filters.ts'

/** What stands under the value, and can be filtered by from the menu. */
type Other = { readonly name: ValueFilter; readonly value: string; readonly says: string }

export function Filterable({
  name,
  value,
  shown = value,
  others = [],
  under,
}: {
  name: ValueFilter
  value: string
  shown?: string
  others?: readonly Other[]
  under: ComponentChildren
}) {
  const { query } = useRoute()
  const filter = (key: ValueFilter, by: string): void => changeQuery({ [key]: withValue(query, key, by) })
  const menu: readonly MenuItem[] = [
    ...others.flatMap(other => [
      { name: `Only ${other.says} ${other.value}`, onSelect: () => filter(other.name, other.value) },
      { name: `All but ${other.says} ${other.value}`, onSelect: () => filter(other.name, `-${other.value}`) },
    ]),
    { name: `Copy ${shown}`, onSelect: () => void copyText(shown, 'the value') },
  ]
  return (
    <span class="filterable">
      <span class="value">
        <Line text={shown} max={120} />
      </span>
      <span class="under-row">
        <span class="under" title={typeof under === 'string' ? under : undefined}>
          {under}
        </span>
        <span class="filters">
          <Button sign="+" says={`Only ${shown}`} onPress={() => filter(name, value)} />
          <Button sign="−" says={`All but ${shown}`} onPress={() => filter(name, `-${value}`)} />
          <MenuButton label="⋯" name={`More about ${shown}`} class="icon" items={menu} />
        </span>
      </span>
    </span>
  )
}

function Button({ sign, says, onPress }: { sign: string; says: string; onPress: () => void }) {
  return (
    <button type="button" class="icon" aria-label={says} title={says} onClick={onPress}>
      {sign}
    </button>
  )
}
