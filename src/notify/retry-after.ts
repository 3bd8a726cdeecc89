/** Nobody makes us wait for longer than this. */
const longestMs = 3_600_000

/** RFC 9110, 10.2.3: seconds or a date. Undefined for what is neither. */
export function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  const ms = /^\d{1,10}$/.test(text) ? Number(text) * 1000 : dateMs(text) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(longestMs, Math.max(0, ms))
}

/** IMF-fixdate, the form that senders have to use. */
function dateMs(text: string): number {
  return /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN
}
