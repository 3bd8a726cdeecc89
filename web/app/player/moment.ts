/** Moments of a recording in addresses: seconds, `h:mm:ss`, or an instant. */

/** Milliseconds since the opening, or undefined if the text is no moment. */
export function readMoment(text: string | null, openedAtMs: number): number | undefined {
  if (text === null) return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  const clock = /^(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d(?:\.\d+)?)$/.exec(text)
  if (clock !== null) return (Number(clock[1] ?? 0) * 3600 + Number(clock[2]) * 60 + Number(clock[3])) * 1000
  // Without a zone it is UTC, as times on the pages are, and not wherever the reader happens to be.
  const isWithoutZone = /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text)
  const instant = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(isWithoutZone ? `${text}Z` : text) : Number.NaN
  return Number.isNaN(instant) ? undefined : Math.max(0, instant - openedAtMs)
}

/** As the address holds it: `0:41:12`, with tenths where there are some. */
export function momentText(ms: number): string {
  const tenths = Math.max(0, Math.floor(ms / 100))
  const seconds = Math.floor(tenths / 10)
  const two = (count: number): string => String(Math.floor(count)).padStart(2, '0')
  const rest = tenths % 10 === 0 ? '' : `.${tenths % 10}`
  return `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}${rest}`
}
