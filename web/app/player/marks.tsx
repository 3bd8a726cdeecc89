/**
 * Marks above the bar, each a button, near ones as one. Pressing it goes there and opens what it stands for: how grave, which rule, why, and
 * that one looks after it.
 */
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks'
import { withMarks } from '../parts/hidden-text.ts'
import { Line } from '../parts/hidden.tsx'
import { Severity, SeverityShape, worstOf } from '../parts/severity.tsx'
import { offsetOf } from '../parts/time.tsx'
import { Link } from '../router.tsx'
import { Acknowledge, findingPath } from '../session/findings.tsx'
import { groupsOf, type Mark } from './mark.ts'
import { leadMs } from './stops.ts'

/** A mark that can be pressed takes so many pixels. */
const markWidthPx = 26
/** Of one list; the tabs beside have the rest. */
const maxListed = 50

type Props = {
  readonly marks: readonly Mark[]
  readonly durationMs: number
  /** Of the bar, in pixels. */
  readonly width: number
  readonly onSeek: (ms: number) => void
  /** Somebody has acknowledged a finding. */
  readonly onChanged: () => void
}

export function Marks({ marks, durationMs, width, onSeek, onChanged }: Props) {
  const groups = useMemo(
    () => groupsOf(marks, (markWidthPx / Math.max(1, width)) * durationMs),
    [marks, durationMs, width],
  )
  const [openMs, setOpen] = useState<number>()
  const id = useId()
  const pressed = useRef<HTMLElement | null>(null)
  const open = groups.find(([first]) => first?.offsetMs === openMs)
  const close = (): void => {
    setOpen(undefined)
    pressed.current?.focus()
  }
  return (
    <>
      <div class="marks">
        {groups.map(group => {
          const [first] = group
          const worst = worstOf(group.map(({ severity }) => severity))
          if (first === undefined || worst === undefined) return null
          const name = withMarks(
            group.length === 1
              ? `${worst}: ${first.text}`
              : `${group.length} marks, worst ${worst}: ${first.text} …`,
          )
          return (
            <button
              type="button"
              key={first.offsetMs}
              class="mark"
              title={name}
              aria-label={`${offsetOf(first.offsetMs)}, ${name}`}
              aria-expanded={open === group}
              aria-controls={open === group ? id : undefined}
              style={{ left: `${Math.min(100, (first.offsetMs / durationMs) * 100)}%` }}
              onClick={event => {
                pressed.current = event.currentTarget
                setOpen(open === group ? undefined : first.offsetMs)
                if (open !== group) onSeek(Math.max(0, first.offsetMs - leadMs))
              }}
            >
              <SeverityShape is={worst} />
              {group.length > 1 ? group.length : null}
            </button>
          )
        })}
      </div>
      {open === undefined ? null : (
        <MarkList id={id} group={open} onSeek={onSeek} onChanged={onChanged} onClose={close} />
      )}
    </>
  )
}

function MarkList({
  id,
  group,
  onSeek,
  onChanged,
  onClose,
}: Pick<Props, 'onSeek' | 'onChanged'> & { id: string; group: readonly Mark[]; onClose: () => void }) {
  const latest = useRef(onClose)
  latest.current = onClose
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented) latest.current()
    }
    addEventListener('keydown', listen)
    return () => removeEventListener('keydown', listen)
  }, [])
  return (
    <div class="mark-list" id={id} role="group" aria-label={`Marks at ${offsetOf(group[0]?.offsetMs ?? 0)}`}>
      <ul>
        {group.slice(0, maxListed).map((mark, index) => (
          <li key={index} class="row-of">
            <Severity is={mark.severity} />
            <button type="button" class="plain" onClick={() => onSeek(Math.max(0, mark.offsetMs - leadMs))}>
              at {offsetOf(mark.offsetMs)}
            </button>
            <span class="mark-why">
              {mark.finding === undefined ? (
                <code>
                  <Line text={mark.text} max={300} />
                </code>
              ) : (
                <Link to={findingPath(mark.finding)}>
                  <Line text={mark.text} />
                </Link>
              )}
              <span class="quiet small">
                {' '}
                <Line text={mark.rules.join(', ')} />
              </span>
            </span>
            {mark.finding === undefined ? null : <Acknowledge {...mark.finding} onDone={onChanged} />}
          </li>
        ))}
      </ul>
      {group.length > maxListed ? (
        <p class="quiet small">and {group.length - maxListed} more, among the findings and commands</p>
      ) : null}
      <button type="button" class="button small" onClick={onClose}>
        Close<span class="unseen"> the list of marks</span>
      </button>
    </div>
  )
}
