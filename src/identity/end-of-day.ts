const dayMs = 86_400_000

/** Making a formatter costs more than all the rest of a sign-in's sums. Zones come from the configuration: there are few. */
const formatters = new Map<
  string,
  { readonly clock: Intl.DateTimeFormat; readonly parts: Intl.DateTimeFormat }
>()

function formattersOf(timeZone: string) {
  const known = formatters.get(timeZone)
  if (known !== undefined) return known
  const made = {
    clock: new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' }),
    parts: new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    }),
  }
  formatters.set(timeZone, made)
  return made
}

/** The next midnight in a time zone (IANA name) after an instant; all in milliseconds since the epoch. */
export function endOfDay(nowMs: number, timeZone: string): number {
  const localNow = nowMs + offsetMs(nowMs, timeZone)
  const localMidnight = (Math.floor(localNow / dayMs) + 1) * dayMs
  // The clocks may change in the night: the offset that counts is the one at midnight.
  const near = localMidnight - offsetMs(nowMs, timeZone)
  return localMidnight - offsetMs(near, timeZone)
}

/** `23:59` on the clock of that zone. */
export function timeOfDay(ms: number, timeZone: string): string {
  return formattersOf(timeZone).clock.format(ms)
}

/** How far the zone's clock is ahead of UTC at an instant. */
function offsetMs(ms: number, timeZone: string): number {
  const parts = formattersOf(timeZone).parts.formatToParts(ms)
  const part = (type: string) => Number(parts.find(one => one.type === type)?.value)
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  )
  return local - Math.floor(ms / 1000) * 1000
}
