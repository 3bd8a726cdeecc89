/** What a person sets for this browser: theme and zone of times. Nothing of a session is ever kept here. */
import { useEffect, useState } from 'preact/hooks'

export type Theme = 'system' | 'light' | 'dark'
export type Zone = 'utc' | 'local'

const choices = {
  theme: ['system', 'light', 'dark'],
  zone: ['utc', 'local'],
  /** Whether single letters are commands on lists (WCAG 2.1.4 asks for a way to switch them off). */
  keys: ['on', 'off'],
  /** What was recorded may flash: whether it is shown in few pictures (WCAG 2.3.1). */
  motion: ['system', 'calm', 'full'],
} as const
type Name = keyof typeof choices
type Value<N extends Name> = (typeof choices)[N][number]

const listeners = new Set<() => void>()

/** The value and what sets it, for all that show it at once. */
export function useSetting<N extends Name>(name: N): [Value<N>, (value: Value<N>) => void] {
  const [value, set] = useState(() => settingOf(name))
  useEffect(() => {
    const listen = (): void => set(() => settingOf(name))
    listeners.add(listen)
    return () => void listeners.delete(listen)
  }, [name])
  return [value, value => keep(name, value)]
}

/** The first choice is the default. A browser that keeps nothing for us has the defaults. */
export function settingOf<N extends Name>(name: N): Value<N> {
  const all: readonly Value<N>[] = choices[name]
  return all.find(choice => choice === read(name)) ?? (all[0] as Value<N>)
}

function read(name: Name): string | undefined {
  try {
    return localStorage.getItem(`sallyport ${name}`) ?? undefined
  } catch {
    return undefined
  }
}

function keep<N extends Name>(name: N, value: Value<N>): void {
  try {
    localStorage.setItem(`sallyport ${name}`, value)
  } catch {
    // a browser that forgets is asked again
  }
  if (name === 'theme') applyTheme()
  for (const listen of listeners) listen()
}

/** The style sheet goes by `data-theme`; without one it follows the system. */
export function applyTheme(): void {
  const theme = settingOf('theme')
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}
