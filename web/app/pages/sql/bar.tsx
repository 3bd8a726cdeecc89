/** The statements of a session on one bar: when, how long, of what kind, and within which transaction. */
import { useMemo } from 'preact/hooks'
import { duration, offsetOf, spokenOffset } from '../../parts/time.tsx'
import type { Statement } from './statement.ts'
import { type Look, looks } from './look.ts'
import { bracketsOf, marksOf, scaleOf } from './timeline.ts'

/** Units of the drawing; it is stretched to its place. */
const width = 1000
const laneHeight = 14
const bracketHeight = 8
/** The least width of a mark: what took no time is seen too. */
const leastWidth = 2.5

/** How tall a mark is, besides its colour: what matters more is taller; privileges are hollow, and what was not done is struck through. */
const tall: Readonly<Record<Look, number>> = {
  other: 0.3,
  read: 0.5,
  write: 0.7,
  bulk: 0.85,
  ddl: 1,
  privilege: 1,
  error: 1,
}

export function Bar({
  statements,
  durationMs,
  isFolded,
  current,
  offsetMs,
  onChoose,
}: {
  statements: readonly Statement[]
  durationMs: number
  isFolded: boolean
  current: Statement | undefined
  /** Where the clock is. */
  offsetMs: number
  onChoose: (number: number) => void
}) {
  const drawn = useMemo(() => {
    const scale = scaleOf(statements, durationMs, isFolded)
    return { scale, marks: marksOf(statements, scale), brackets: bracketsOf(statements, scale) }
  }, [statements, durationMs, isFolded])
  const { scale, marks, brackets } = drawn
  const lanes = Math.max(1, ...marks.map(({ lane }) => lane + 1))
  const height = bracketHeight + lanes * laneHeight + 2
  const at = current === undefined ? -1 : statements.indexOf(current)
  return (
    <div class="sql-bar">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        style={{ height: `${height * 2}px` }}
        role="img"
        aria-label={`${statements.length} statements in ${duration(durationMs)}`}
        onClick={event => {
          const box = event.currentTarget.getBoundingClientRect()
          const place = (event.clientX - box.left) / Math.max(1, box.width)
          const nearest = marks.toSorted((a, b) => far(a, place) - far(b, place))[0]
          if (nearest !== undefined) onChoose(nearest.number)
        }}
      >
        {scale.idle.map(({ fromMs, toMs }) => (
          <rect
            key={fromMs}
            class="idle"
            x={scale.at(fromMs) * width}
            width={Math.max(1, (scale.at(toMs) - scale.at(fromMs)) * width)}
            y={bracketHeight}
            height={lanes * laneHeight}
          >
            <title>Nothing ran for {duration(toMs - fromMs)}</title>
          </rect>
        ))}
        {brackets.map(({ transaction, from, to, statements: count }) => (
          <path
            key={transaction}
            class="bracket"
            d={`M${from * width} ${bracketHeight - 1}v-4h${Math.max(leastWidth, (to - from) * width)}v4`}
          >
            <title>{`Transaction ${transaction}: ${count} statements`}</title>
          </path>
        ))}
        {marks.map(mark => (
          <rect
            key={`${mark.lane} ${mark.number}`}
            class={`mark ${mark.look}`}
            x={mark.from * width}
            width={Math.max(leastWidth, (mark.to - mark.from) * width)}
            y={bracketHeight + (mark.lane + 1) * laneHeight - 1 - (laneHeight - 2) * tall[mark.look]}
            height={(laneHeight - 2) * tall[mark.look]}
          >
            <title>{`${looks[mark.look].name}${mark.count === 1 ? '' : `, ${mark.count} statements`}`}</title>
          </rect>
        ))}
        {current === undefined ? null : (
          <rect
            class="now"
            x={scale.at(current.offsetMs) * width - 2}
            width={
              Math.max(
                leastWidth,
                (scale.at(current.offsetMs + (current.durationMs ?? 0)) - scale.at(current.offsetMs)) * width,
              ) + 4
            }
            y={bracketHeight - 1}
            height={lanes * laneHeight + 2}
          />
        )}
        <line
          class="clock-hand"
          x1={scale.at(offsetMs) * width}
          x2={scale.at(offsetMs) * width}
          y1={0}
          y2={height}
        />
      </svg>
      <input
        type="range"
        class="sql-slider"
        aria-label="Statement"
        min={0}
        max={Math.max(0, statements.length - 1)}
        value={Math.max(0, at)}
        aria-valuetext={current === undefined ? 'none' : spokenOf(current, at, statements.length)}
        onInput={event => {
          const chosen = statements[Number(event.currentTarget.value)]
          if (chosen !== undefined) onChoose(chosen.number)
        }}
      />
    </div>
  )
}

function far({ from, to }: { from: number; to: number }, place: number): number {
  if (place >= from && place <= to) return 0
  return Math.min(Math.abs(place - from), Math.abs(place - to))
}

function spokenOf(statement: Statement, at: number, count: number): string {
  return `${at + 1} of ${count}, ${spokenOffset(statement.offsetMs)} (${offsetOf(statement.offsetMs)}), ${statement.class}`
}
