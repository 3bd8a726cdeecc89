/** Moments of a recording in addresses: seconds, `h:mm:ss`, or an instant. */

/** Milliseconds since the opening, or undefined if the text is no moment. What was before it is 0. */
export function readMoment(text: string | null, openedAtMs: number): number | undefined {
  const moment = offsetIn(text, openedAtMs)
  return moment === undefined ? undefined : Math.max(0, moment)
}

/** Of a recording: when it began, how long it is, and whether it goes on. */
type Length = { readonly openedAtMs: number; readonly durationMs: number; readonly isLive: boolean }

/** Why playing does not begin where a link says, as a sentence; undefined if it does. */
export function momentProblem(
  text: string | null,
  { openedAtMs, durationMs, isLive }: Length,
): string | undefined {
  if (text === null) return undefined
  const moment = offsetIn(text, openedAtMs)
  if (moment === undefined)
    return `The link’s time “${text.slice(0, maxShown)}” cannot be read: here is ${isLive ? 'what happens now' : 'the beginning'}.`
  if (moment < 0) return 'The link’s time is before the session began: here is the beginning.'
  return moment > durationMs + tenthMs
    ? `The link’s time is after the end${isLive ? ' so far' : ''}: here is what was last.`
    : undefined
}

/** Links are written to tenths of a second. */
const tenthMs = 100
/** Of what is no moment. In UTF-16 units. */
const maxShown = 40

/** As `readMoment`, but negative before the opening. */
function offsetIn(text: string | null, openedAtMs: number): number | undefined {
  if (text === null) return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  const clock = /^(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d(?:\.\d+)?)$/.exec(text)
  if (clock !== null) return (Number(clock[1] ?? 0) * 3600 + Number(clock[2]) * 60 + Number(clock[3])) * 1000
  // Without a zone it is UTC, as times on the pages are, and not wherever the reader happens to be.
  const isWithoutZone = /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text)
  const instant = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(isWithoutZone ? `${text}Z` : text) : Number.NaN
  return Number.isNaN(instant) ? undefined : instant - openedAtMs
}

/** As the address holds it: `0:41:12`, with tenths where there are some. */
export function momentText(ms: number): string {
  const tenths = Math.max(0, Math.floor(ms / 100))
  const seconds = Math.floor(tenths / 10)
  const two = (count: number): string => String(Math.floor(count)).padStart(2, '0')
  const rest = tenths % 10 === 0 ? '' : `.${tenths % 10}`
  return `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}${rest}`
}
