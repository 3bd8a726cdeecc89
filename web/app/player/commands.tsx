/** What was done, one line each, in step with what is played. */
import { useMemo, useState } from 'preact/hooks'
import type { EntryView } from '../../../src/api/schema.ts'
import { Copy } from '../parts/copy.tsx'
import { Line, MarkedLine, withMarks } from '../parts/hidden.tsx'
import { SeverityShape, worstOf } from '../parts/severity.tsx'
import { offsetOf } from '../parts/time.tsx'
import { VirtualList } from '../parts/virtual.tsx'
import type { Entries } from '../session/entries.ts'
import { Missing } from '../session/missing.tsx'
import { NewBadge } from '../session/new-badge.tsx'
import { usageWords } from '../session/usage.ts'
import { leadMs } from './marks.tsx'

const rowHeight = 76

/** How a command became known. An exec request is exact; the others were read off the screen. */
const foundTexts: Readonly<Record<string, string>> = {
  exec: 'asked for by the client',
  marks: 'marked by the shell',
  editor: 'read in an editor of lines',
  prompt: 'read behind a prompt',
  typed: 'typed and shown',
}

export function CommandsPart({
  entries,
  positionMs,
  onSeek,
}: {
  entries: Entries
  positionMs: number
  onSeek: (ms: number) => void
}) {
  const { items: commands, isComplete } = entries
  const [filter, setFilter] = useState('')
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase()
    return wanted === '' ? commands : commands.filter(({ text }) => text.toLowerCase().includes(wanted))
  }, [commands, filter])
  const [follows, setFollows] = useState(true)
  const current = Math.max(
    0,
    shown.findLastIndex(({ offsetMs }) => offsetMs <= positionMs + leadMs),
  )
  return (
    <div class="commands-part">
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
        <VirtualList
          label="Commands"
          count={shown.length}
          rowHeight={rowHeight}
          current={follows ? current : undefined}
          follow="center"
          render={index => {
            const entry = shown[index]
            return entry === undefined ? null : (
              <Command entry={entry} isCurrent={index === current} filter={filter.trim()} onSeek={onSeek} />
            )
          }}
        />
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

function Command({
  entry,
  isCurrent,
  filter,
  onSeek,
}: {
  entry: EntryView
  isCurrent: boolean
  filter: string
  onSeek: (ms: number) => void
}) {
  const worst = worstOf(entry.hits.map(({ severity }) => severity))
  return (
    <div class={`command ${isCurrent ? 'current' : ''}`}>
      <button
        type="button"
        class="go"
        title={withMarks(aboutOf(entry))}
        aria-current={isCurrent ? 'true' : undefined}
        onClick={() => onSeek(Math.max(0, entry.offsetMs - leadMs))}
      >
        <span class="number quiet">{offsetOf(entry.offsetMs)}</span>{' '}
        {worst === undefined ? null : (
          <span title={withMarks(entry.hits.map(({ rule }) => rule).join(', '))}>
            <SeverityShape is={worst} />
            <span class="unseen">
              {worst}: {withMarks(entry.hits.map(({ rule }) => rule).join(', '))}
            </span>
          </span>
        )}{' '}
        <code>
          {filter === '' ? (
            <Line text={entry.text} max={400} />
          ) : (
            <MarkedLine text={entry.text.slice(0, 400)} marks={marksIn(entry.text.slice(0, 400), filter)} />
          )}
        </code>{' '}
        <NewBadge usage={entry.usage} />
        <span class="under">
          <Line text={aboutOf(entry)} />
        </span>
      </button>
      <Copy text={entry.text} label="Copy" name="the command" class="plain small" />
    </div>
  )
}

/** Exit code, directory, how it was found and how sure that is, and whether it is new. */
function aboutOf({ detail, usage }: EntryView): string {
  const { exitStatus, directory, found, sure, decoded, blocked } = detail
  const parts = [
    typeof blocked === 'string' ? `refused by the gateway: ${blocked}` : '',
    typeof exitStatus === 'number' ? `exit ${exitStatus}` : '',
    typeof directory === 'string' ? `in ${directory}` : '',
    typeof found === 'string' ? (foundTexts[found] ?? found) : '',
    typeof sure === 'number' && sure < 1 ? `${Math.round(sure * 100)} % sure` : '',
    usage === undefined ? '' : usageWords(usage),
    Array.isArray(decoded) && decoded.length > 0 ? `decoded: ${decoded.join(' ')}` : '',
  ]
  return parts.filter(part => part !== '').join(' · ')
}

export function marksIn(text: string, wanted: string): readonly (readonly [number, number])[] {
  const marks: [number, number][] = []
  const [hay, needle] = [text.toLowerCase(), wanted.toLowerCase()]
  // Some letters change their length in lower case: then nothing is marked rather than something else.
  if (needle === '' || hay.length !== text.length) return marks
  for (let at = hay.indexOf(needle); at !== -1; at = hay.indexOf(needle, at + needle.length))
    marks.push([at, at + needle.length])
  return marks
}
