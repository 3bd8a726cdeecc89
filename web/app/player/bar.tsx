/**
 * The recording on one line: output, input, what is worth a look, and where nothing happens. Pressing seeks, and the handle is a slider.
 * Marks near each other are one button.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { EntryView, Replay } from '../../../src/api/schema.ts'
import { offsetOf, spokenOffset, textOf } from '../parts/time.tsx'
import { useSetting } from '../settings.ts'
import type { Mark } from './mark.ts'
import { Marks } from './marks.tsx'

/** Seeks while dragging: not more often than this. Milliseconds. */
const dragEveryMs = 120
export function Bar({
  info,
  positionMs,
  commands,
  marks,
  hits,
  onSeek,
  onChanged,
}: {
  info: Replay
  positionMs: number
  commands: readonly EntryView[]
  marks: readonly Mark[]
  /** Moments that a search has found. */
  hits: readonly number[]
  onSeek: (ms: number) => void
  /** Somebody has acknowledged a finding. */
  onChanged: () => void
}) {
  const [zone] = useSetting('zone')
  const box = useRef<HTMLDivElement>(null)
  const dragged = useRef(0)
  const width = useWidth(box)
  const [hoverMs, setHover] = useState<number>()
  const durationMs = Math.max(1, info.durationMs)
  const at = (event: PointerEvent): number => {
    const { left, width } = box.current?.getBoundingClientRect() ?? new DOMRect()
    return Math.min(1, Math.max(0, (event.clientX - left) / Math.max(1, width))) * durationMs
  }
  const drag = (event: PointerEvent): void => {
    setHover(at(event))
    if (event.buttons !== 1 || performance.now() - dragged.current < dragEveryMs) return
    dragged.current = performance.now()
    onSeek(at(event))
  }
  const keys = (event: KeyboardEvent): void => {
    const to = sliderKey(event.key, positionMs, durationMs)
    if (to === undefined) return
    event.preventDefault()
    event.stopPropagation()
    onSeek(to)
  }
  return (
    <div class="bar">
      <Marks marks={marks} durationMs={durationMs} width={width} onSeek={onSeek} onChanged={onChanged} />
      <div
        class="tracks"
        ref={box}
        onPointerDown={event => {
          if (event.button !== 0) return
          event.currentTarget.setPointerCapture(event.pointerId)
          dragged.current = performance.now()
          onSeek(at(event))
        }}
        onPointerMove={drag}
        onPointerUp={event => event.button === 0 && onSeek(at(event))}
        onPointerLeave={() => setHover(undefined)}
      >
        <Tracks info={info} commands={commands} hits={hits} />
        <div
          role="slider"
          tabIndex={0}
          class="playhead"
          aria-label="Position in the recording"
          aria-valuemin={0}
          aria-valuemax={Math.round(durationMs / 1000)}
          aria-valuenow={Math.round(positionMs / 1000)}
          aria-valuetext={`${spokenOffset(positionMs)}, ${textOf(info.openedAtMs + positionMs, zone).slice(11)}`}
          style={{ left: `${(positionMs / durationMs) * 100}%` }}
          onKeyDown={keys}
        />
        {hoverMs === undefined ? null : (
          <span class="hover-time" style={{ left: `${(hoverMs / durationMs) * 100}%` }} aria-hidden="true">
            {offsetOf(hoverMs)} · {textOf(info.openedAtMs + hoverMs, zone).slice(11)}
          </span>
        )}
      </div>
    </div>
  )
}

function sliderKey(key: string, from: number, durationMs: number): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: 5000,
    ArrowUp: 5000,
    ArrowLeft: -5000,
    ArrowDown: -5000,
    PageUp: durationMs / 10,
    PageDown: -durationMs / 10,
  }
  if (key === 'Home') return 0
  if (key === 'End') return durationMs
  const step = steps[key]
  return step === undefined ? undefined : from + step
}

function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(800)
  useEffect(() => {
    if (box.current === null) return
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 800))
    observer.observe(box.current)
    return () => observer.disconnect()
  }, [])
  return width
}

/** Drawn once for a recording: 1000 wide, stretched to whatever there is. */
function Tracks({
  info,
  commands,
  hits,
}: {
  info: Replay
  commands: readonly EntryView[]
  hits: readonly number[]
}) {
  const durationMs = Math.max(1, info.durationMs)
  const x = (ms: number): number => (ms / durationMs) * 1000
  return useMemo(
    () => (
      <svg viewBox="0 0 1000 56" preserveAspectRatio="none" aria-hidden="true">
        <defs>
          <pattern id="idle-stripes" width="5" height="8" patternUnits="userSpaceOnUse">
            <rect class="stripe" width="2.5" height="8" />
          </pattern>
        </defs>
        <path class="heat output" d={areaOf(info.heat.output, 0, 20)} />
        <path class="heat input" d={areaOf(info.heat.input, 22, 12)} />
        <path
          class="commands"
          d={commands.map(({ offsetMs }) => `M${x(offsetMs).toFixed(1)} 36v8`).join('')}
        />
        <path class="hits" d={hits.map(ms => `M${x(ms).toFixed(1)} 0v56`).join('')} />
        {info.idle.map(({ fromMs, toMs }) => (
          <rect
            class="idle"
            fill="url(#idle-stripes)"
            key={fromMs}
            x={x(fromMs)}
            width={Math.max(0.5, x(toMs - fromMs))}
            y={48}
            height={8}
          />
        ))}
        {info.gaps.map(({ fromMs, toMs }) => (
          <rect
            class="gap"
            key={fromMs}
            x={x(fromMs)}
            width={Math.max(2, x(toMs - fromMs))}
            y={0}
            height={56}
          />
        ))}
      </svg>
    ),
    [info, commands, hits],
  )
}

/** Square roots, so that one large listing does not hide all typing. */
function areaOf(values: readonly number[], top: number, height: number): string {
  const most = Math.max(1, ...values)
  const step = 1000 / Math.max(1, values.length)
  const points = values.map((value, index) => {
    const y = top + height - Math.sqrt(value / most) * height
    return `L${(index * step).toFixed(1)} ${y.toFixed(1)}L${((index + 1) * step).toFixed(1)} ${y.toFixed(1)}`
  })
  return `M0 ${top + height}${points.join('')}L1000 ${top + height}Z`
}
