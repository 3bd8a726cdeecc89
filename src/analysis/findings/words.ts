/** Pieces of sentences that findings are made of: plain, about a session, without a word on anybody's purpose. */

/** What no sentence of ours may say; the wording of `reference` documents and of works councils alike. */
export const forbiddenWords: RegExp =
  /\b(suspicious|suspects?|suspected|malicious|malice|intent|intention|intends?|thief|thieves|theft|stole|steals?|stolen|disgruntled|culprit|guilty|criminal|attacker|offender|perpetrator|rogue|abuser|insider|violator|misconduct|cheat(?:s|ed)?)\b/i

/** "once", "3 times". */
export function times(count: number): string {
  return count === 1 ? 'once' : count === 0 ? 'never' : `${grouped(count)} times`
}

/** "1 command", "3 commands". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`
}

/** 412,000. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** "3.4 MiB". */
export function sized(bytes: number): string {
  const step = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  const value = bytes / 1024 ** step
  return `${step === 0 ? grouped(bytes) : value.toFixed(1)} ${units[step]}`
}

/** "00:12:03". */
export function clockTime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    .map(part => String(part).padStart(2, '0'))
    .join(':')
}

/** "18 seconds", "66 minutes", "3 hours 10 minutes". */
export function spanned(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return counted(seconds, 'second')
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return counted(minutes, 'minute')
  const rest = minutes % 60
  return `${counted(Math.floor(minutes / 60), 'hour')}${rest === 0 ? '' : ` ${counted(rest, 'minute')}`}`
}

/** "3 days", "2 hours". */
export function lasting(ms: number): string {
  const [day, hour, minute] = [86_400_000, 3_600_000, 60_000]
  if (ms >= 2 * day) return counted(Math.round(ms / day), 'day')
  if (ms >= 2 * hour) return counted(Math.round(ms / hour), 'hour')
  return counted(Math.max(1, Math.round(ms / minute)), 'minute')
}

/** Fewer people than this are not told apart. */
export const minPeople = 5

/** "2 of 14 people", or no number that would point at somebody. */
export function people(some: number, of: number): string {
  if (of < minPeople) return `fewer than ${minPeople} people to compare with`
  const told = some === 0 ? 'none' : some < minPeople ? `fewer than ${minPeople}` : String(some)
  return `${told} of ${of} people`
}
