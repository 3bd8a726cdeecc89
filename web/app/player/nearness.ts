import type { SearchHit } from '../../../src/api/schema.ts'

/** Moments, each once, the nearest first. */
export function byNearness(hits: readonly Pick<SearchHit, 'offsetMs'>[], atMs: number): readonly number[] {
  const moments = new Set(hits.map(({ offsetMs }) => offsetMs))
  return [...moments].toSorted((a, b) => Math.abs(a - atMs) - Math.abs(b - atMs))
}
