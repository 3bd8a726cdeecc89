/**
 * Sessions over time, those with findings at the bottom of each bar. Narrowing: drag over it, press a bar, or move the two handles with the
 * arrows and press Enter.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Histogram } from '../../../src/api/schema.ts'
import { textOf } from '../parts/time.tsx'
import { useSetting } from '../settings.ts'

/** First and last bucket, both in it. */
type Range = { readonly first: number; readonly last: number }

const height = 48

export function HistogramStrip({
  histogram,
  onNarrow,
}: {
  histogram: Histogram
  onNarrow: (fromMs: number, toMs: number) => void
}) {
  const { buckets, bucketMs } = histogram
  const whole: Range = { first: 0, last: buckets.length - 1 }
  const [range, setRange] = useState<Range>(whole)
  const [zone] = useSetting('zone')
  const strip = useRef<HTMLDivElement>(null)
  const started = useRef<number | undefined>(undefined)
  useEffect(() => setRange(whole), [histogram])
  if (buckets.length === 0) return null
  const most = Math.max(1, ...buckets.map(({ sessions }) => sessions))
  const startOf = (index: number): number => buckets[index]?.fromMs ?? 0
  const isWhole = range.first === 0 && range.last === whole.last
  const narrow = ({ first, last }: Range): void => onNarrow(startOf(first), startOf(last) + bucketMs)
  const at = (event: PointerEvent): number => {
    const box = strip.current?.getBoundingClientRect() ?? new DOMRect()
    const share = (event.clientX - box.left) / Math.max(1, box.width)
    return Math.min(whole.last, Math.max(0, Math.floor(share * buckets.length)))
  }
  const drag = (event: PointerEvent): void => {
    if (started.current === undefined) return
    const here = at(event)
    setRange({ first: Math.min(started.current, here), last: Math.max(started.current, here) })
  }
  return (
    <div class="histogram" role="group" aria-label="Sessions over time">
      <div
        class="strip"
        ref={strip}
        onPointerDown={event => {
          if (event.button !== 0 || (event.target instanceof HTMLElement && event.target.role === 'slider'))
            return
          event.currentTarget.setPointerCapture(event.pointerId)
          started.current = at(event)
          drag(event)
        }}
        onPointerMove={drag}
        onPointerUp={() => {
          if (started.current !== undefined) narrow(range)
          started.current = undefined
        }}
        onPointerCancel={() => {
          started.current = undefined
          setRange(whole)
        }}
      >
        <svg viewBox={`0 0 ${buckets.length} ${height}`} preserveAspectRatio="none" aria-hidden="true">
          {buckets.map(({ fromMs, sessions, withFindings }, index) => (
            <g key={fromMs} class={index < range.first || index > range.last ? 'out' : ''}>
              <rect
                class="all"
                x={index + 0.08}
                width={0.84}
                y={height - barOf(sessions, most)}
                height={barOf(sessions, most)}
              />
              <rect
                class="risky"
                x={index + 0.08}
                width={0.84}
                y={height - barOf(withFindings, most)}
                height={barOf(withFindings, most)}
              />
            </g>
          ))}
        </svg>
        {(['first', 'last'] as const).map(end => (
          <div
            key={end}
            role="slider"
            tabIndex={0}
            class={`handle ${end}`}
            aria-label={end === 'first' ? 'From' : 'To'}
            aria-valuemin={0}
            aria-valuemax={whole.last}
            aria-valuenow={range[end]}
            aria-valuetext={textOf(
              end === 'first' ? startOf(range.first) : startOf(range.last) + bucketMs,
              zone,
            )}
            style={{ left: `${((end === 'first' ? range.first : range.last + 1) / buckets.length) * 100}%` }}
            onKeyDown={event => {
              if (event.key === 'Enter') return narrow(range)
              const moved = movedTo(event.key, range[end], whole.last)
              if (moved === undefined) return
              event.preventDefault()
              setRange(
                end === 'first'
                  ? { first: Math.min(moved, range.last), last: range.last }
                  : { first: range.first, last: Math.max(moved, range.first) },
              )
            }}
          />
        ))}
      </div>
      <p class="quiet small row-of">
        <span>{textOf(startOf(range.first), zone, false, false)}</span>
        <span aria-hidden="true">–</span>
        <span>{textOf(startOf(range.last) + bucketMs, zone)}</span>
        <span>
          <svg class="shape" viewBox="0 0 16 16" width="10" height="10" aria-hidden="true">
            <rect class="risky" width="16" height="16" />
          </svg>{' '}
          with findings
        </span>
        {isWhole ? null : (
          <button type="button" class="plain" onClick={() => narrow(range)}>
            Narrow to this
          </button>
        )}
      </p>
    </div>
  )
}

/** Few sessions beside many still have a bar that can be seen. */
function barOf(count: number, most: number): number {
  return count === 0 ? 0 : Math.max(3, (count / most) * (height - 2))
}

function movedTo(key: string, from: number, last: number): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: 1,
    ArrowUp: 1,
    ArrowLeft: -1,
    ArrowDown: -1,
    PageUp: 10,
    PageDown: -10,
  }
  if (key === 'Home') return 0
  if (key === 'End') return last
  const step = steps[key]
  return step === undefined ? undefined : Math.min(last, Math.max(0, from + step))
}
