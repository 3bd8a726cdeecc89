/** What was done, one row each, in step with what is played, and one of them whole. */
import { useMemo, useState } from 'preact/hooks'
import type { EntryView } from '../../../src/api/schema.ts'
import { Copy } from '../parts/copy.tsx'
import { withMarks } from '../parts/hidden-text.ts'
import { Line, MarkedLine } from '../parts/hidden.tsx'
import { SeverityShape, worstOf } from '../parts/severity.tsx'
import { offsetOf } from '../parts/time.tsx'
import { VirtualList } from '../parts/virtual.tsx'
import type { Entries } from '../session/entries.ts'
import { Missing } from '../session/missing.tsx'
import { NewBadge } from '../session/new-badge.tsx'
import { currentAt, decodedOf, factsOf } from './command-facts.ts'
import { aroundFirst, bothEnds, marksIn } from './cut.ts'
import { WholeCommand } from './whole-command.tsx'

const rowHeight = 76
/** Two lines of a row have so many letters: of longer commands both ends are there. */
const rowLetters = 66
/** Before what was filtered for. */
const lettersBefore = 16
/** A tooltip is no place for more. */
const maxTitle = 2000

type CommandsProps = {
  readonly entries: Entries
  readonly positionMs: number
  /** The command that somebody went to and that has not come yet, by its number. */
  readonly awaited: EntryView['number'] | undefined
  readonly onGo: (number: EntryView['number']) => void
}

export function CommandsPart({ entries, positionMs, awaited, onGo }: CommandsProps) {
  const { items: commands, isComplete } = entries
  const [filter, setFilter] = useState('')
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase()
    return wanted === '' ? commands : commands.filter(({ text }) => text.toLowerCase().includes(wanted))
  }, [commands, filter])
  const [follows, setFollows] = useState(true)
  /** Whoever goes through the rows by keys reads each of them. */
  const [focused, setFocused] = useState<EntryView['number']>()
  const current = currentAt(shown, positionMs)
  const awaitedPlace = shown.findIndex(({ number }) => number === awaited)
  const place = awaitedPlace === -1 ? current : awaitedPlace
  return (
    <div
      class="commands-part"
      onFocusOut={({ currentTarget, relatedTarget }) => {
        if (!(relatedTarget instanceof Node && currentTarget.contains(relatedTarget))) setFocused(undefined)
      }}
    >
      <div class="row-of">
        <input
          type="search"
          aria-label="Filter commands"
          placeholder="Filter"
          value={filter}
          onInput={event => setFilter(event.currentTarget.value)}
        />
        <label class="tick">
          <input
            type="checkbox"
            checked={follows}
            onChange={event => setFollows(event.currentTarget.checked)}
          />
          Follow
        </label>
        <span class="quiet small" role="status">
          {shown.length.toLocaleString('en')}
          {isComplete ? '' : ' so far'}
        </span>
      </div>
      <Missing of={entries} what="commands" />
      {shown.length === 0 ? (
        <p class="quiet">{commands.length === 0 ? noneText(entries) : 'No command is like that.'}</p>
      ) : (
        <>
          <VirtualList
            label="Commands"
            count={shown.length}
            rowHeight={rowHeight}
            current={follows && place !== -1 ? place : undefined}
            follow="center"
            render={index => {
              const entry = shown[index]
              return entry === undefined ? null : (
                <Command
                  entry={entry}
                  isCurrent={index === current}
                  isAwaited={index === awaitedPlace}
                  filter={filter.trim()}
                  onGo={() => onGo(entry.number)}
                  onFocus={() => setFocused(entry.number)}
                />
              )
            }}
          />
          <WholeCommand entry={shown.find(({ number }) => number === focused) ?? shown[place]} />
        </>
      )}
    </div>
  )
}

function noneText({ isComplete, error }: Entries): string {
  if (error !== undefined) return ''
  return isComplete
    ? 'No command was found in this session. Look at the recording itself.'
    : 'Looking for commands…'
}

type RowProps = {
  readonly entry: EntryView
  readonly isCurrent: boolean
  readonly isAwaited: boolean
  readonly filter: string
  readonly onGo: () => void
  readonly onFocus: () => void
}

function Command({ entry, isCurrent, isAwaited, filter, onGo, onFocus }: RowProps) {
  const rules = withMarks(entry.hits.map(({ rule }) => rule).join(', '))
  const worst = worstOf(entry.hits.map(({ severity }) => severity))
  return (
    <div class={`command ${isCurrent ? 'current' : ''} ${isAwaited ? 'awaited' : ''}`}>
      <button
        type="button"
        class="go"
        aria-current={isCurrent ? 'true' : undefined}
        onClick={onGo}
        onFocus={onFocus}
      >
        <span class="facts-line">
          <span class="number quiet">{offsetOf(entry.offsetMs)}</span>{' '}
          {worst === undefined ? null : (
            <span title={rules}>
              <SeverityShape is={worst} />
              <span class="unseen">
                {worst}: {rules}
              </span>
            </span>
          )}{' '}
          <NewBadge usage={entry.usage} />{' '}
          <span class="quiet small">
            <Line text={factsOf(entry)} />
          </span>
        </span>
        <code class="two-lines" title={withMarks(entry.text.slice(0, maxTitle))}>
          <RowText text={entry.text} filter={filter} />
        </code>
        {decodedOf(entry).length === 0 ? null : (
          <span class="unseen">
            , decoded: <Line text={decodedOf(entry).join(' ')} max={400} />
          </span>
        )}
      </button>
      <Copy text={entry.text} label="Copy" name="the command" class="plain small" />
    </div>
  )
}

/** Both ends, or what was filtered for. */
function RowText({ text, filter }: { text: string; filter: string }) {
  if (filter === '') return <Line text={bothEnds(text, rowLetters)} />
  return <MarkedLine {...aroundFirst({ text, marks: marksIn(text, filter) }, lettersBefore, rowLetters)} />
}
