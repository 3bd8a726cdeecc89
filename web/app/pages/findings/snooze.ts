/** For how long one puts a finding off; the first is what the key does. */
export type Snooze = { readonly says: string; readonly ms: number }

const hourMs = 3_600_000

export const snoozes: readonly [Snooze, ...Snooze[]] = [
  { says: 'for a day', ms: 24 * hourMs },
  { says: 'for four hours', ms: 4 * hourMs },
  { says: 'for a week', ms: 7 * 24 * hourMs },
]
