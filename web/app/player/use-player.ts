/** The player of one recording within a page: its screen, its ticks, and what it is at. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { type settingOf, useSetting } from '../settings.ts'
import { Player, type Snapshot } from './player.ts'
import { Screen } from './screen.ts'
import type { Source } from './source.ts'
import '@xterm/xterm/css/xterm.css'
import './player.css'

export type Playing = { readonly player: Player; readonly screen: Screen }

/** Undefined until the terminal is loaded into `host`. */
export function usePlaying(
  source: Source,
  host: { readonly current: HTMLElement | null },
): Playing | undefined {
  const [playing, setPlaying] = useState<Playing>()
  useEffect(() => {
    const opened: { playing?: Playing; isGone: boolean } = { isGone: false }
    void (async () => {
      if (host.current === null) return
      const screen = await Screen.open(host.current)
      if (opened.isGone) return screen.close()
      opened.playing = { screen, player: new Player(source, screen) }
      setPlaying(opened.playing)
    })()
    return () => {
      opened.isGone = true
      opened.playing?.player.close()
      opened.playing?.screen.close()
    }
  }, [source])
  useFit(playing, host)
  useTicks(playing)
  return playing
}

function useFit(playing: Playing | undefined, host: { readonly current: HTMLElement | null }): void {
  useEffect(() => {
    if (playing === undefined || host.current === null) return
    const observer = new ResizeObserver(() => playing.screen.fit())
    observer.observe(host.current)
    return () => observer.disconnect()
  }, [playing])
}

/** What was recorded may flash. Whoever wants calm, here or of their system, gets a new picture this seldom. Milliseconds. */
const calmMs = 400
const lessMotion = '(prefers-reduced-motion: reduce)'

/** Whether recorded pictures come seldom, and what sets it. */
export function useCalm(): [boolean, (isCalm: boolean) => void] {
  const [motion, setMotion] = useSetting('motion')
  return [isCalm(motion), calm => setMotion(calm ? 'calm' : 'full')]
}

function isCalm(motion: ReturnType<typeof settingOf<'motion'>>): boolean {
  return motion === 'calm' || (motion === 'system' && matchMedia(lessMotion).matches)
}

/** One for each picture that the browser draws. */
function useTicks(playing: Playing | undefined): void {
  const [motion] = useSetting('motion')
  useEffect(() => {
    if (playing === undefined) return
    let last = performance.now()
    const tick = (now: number): void => {
      const leastMs = isCalm(motion) ? calmMs : 0
      playing.player.setCalm(leastMs)
      if (now - last >= leastMs) {
        playing.player.tick(now - last)
        last = now
      }
      frame = requestAnimationFrame(tick)
    }
    let frame = requestAnimationFrame(tick)
    return () => cancelAnimationFrame(frame)
  }, [playing, motion])
}

/** While playing the page is drawn anew so often at most. Milliseconds. */
const leastMs = 100

/** What a player is at. Changes of state are told at once, progress ten times a second. */
export function useSnapshot(player: Player): Snapshot {
  const [shown, show] = useState(player.snapshot)
  const drawn = useRef({ atMs: 0, state: shown.state, waiting: false })
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const update = (): void => {
      drawn.current = { atMs: performance.now(), state: player.snapshot.state, waiting: false }
      show(player.snapshot)
    }
    const listen = (): void => {
      const { atMs, state, waiting } = drawn.current
      const dueMs = atMs + leastMs - performance.now()
      if (player.snapshot.state !== state || dueMs <= 0) {
        clearTimeout(timer)
        update()
      } else if (!waiting) {
        drawn.current.waiting = true
        timer = setTimeout(update, dueMs)
      }
    }
    listen()
    const stop = player.subscribe(listen)
    return () => {
      stop()
      clearTimeout(timer)
    }
  }, [player])
  return shown
}
