/** Everything that somebody could do to a file: flips, cuts, bytes and records swapped, doubled or taken out. */

export type Change = {
  readonly what: string
  readonly bytes: Buffer
  /** The first byte that is another than before. */
  readonly at: number
}

/** Where each record of a file begins, and where the last one ends. */
export type Offsets = readonly number[]

export function* flips(
  bytes: Buffer,
  masks: (at: number) => readonly number[],
  step = 1,
  from = 0,
): Generator<Change> {
  for (let at = from; at < bytes.length; at += step)
    for (const mask of masks(at)) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ mask
      yield { what: `byte ${at} flipped by ${mask}`, bytes: changed, at }
    }
}

export const oneBit = (at: number): readonly number[] => [1 << (at % 8)]
export const everyBit = (): readonly number[] => [1, 2, 4, 8, 16, 32, 64, 128]

export function* cuts(bytes: Buffer, step = 1, from = 0): Generator<Change> {
  for (let at = from; at < bytes.length; at += step)
    yield { what: `cut at ${at}`, bytes: bytes.subarray(0, at), at }
}

/** A byte twice, a byte missing, two neighbours exchanged. */
export function* slips(bytes: Buffer, step = 1, from = 0): Generator<Change> {
  for (let at = from; at < bytes.length; at += step) {
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)]
    const own = bytes.subarray(at, at + 1)
    // The byte that is too much stands where a run of equal bytes ends.
    let end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    yield { what: `byte ${at} doubled`, bytes: Buffer.concat([before, own, own, after]), at: end }
    yield { what: `byte ${at} missing`, bytes: Buffer.concat([before, after]), at: end - 1 }
    if (at + 1 < bytes.length && bytes[at] !== bytes[at + 1]) {
      const next = bytes.subarray(at + 1, at + 2)
      yield {
        what: `bytes ${at} and ${at + 1} exchanged`,
        bytes: Buffer.concat([before, next, own, bytes.subarray(at + 2)]),
        at,
      }
    }
  }
}

/** Whole records: each taken out, doubled, and exchanged with each other one. */
export function* moves(bytes: Buffer, offsets: Offsets, step = 1): Generator<Change> {
  const records = offsets.slice(0, -1).map((from, index) => bytes.subarray(from, offsets[index + 1]))
  const start = bytes.subarray(0, offsets[0])
  const at = (index: number): number => offsets[index] ?? bytes.length
  const whole = (changed: readonly Buffer[]): Buffer => Buffer.concat([start, ...changed])
  for (const [index, record] of records.entries()) {
    if (index % step !== 0 && index !== records.length - 1) continue
    yield { what: `record ${index} taken out`, bytes: whole(records.toSpliced(index, 1)), at: at(index) }
    yield {
      what: `record ${index} doubled`,
      bytes: whole(records.toSpliced(index, 0, record)),
      at: at(index + 1),
    }
    for (const other of partners(index, records.length)) {
      const theirs = records[other] as Buffer
      if (theirs.equals(record)) continue
      yield {
        what: `records ${index} and ${other} exchanged`,
        bytes: whole(records.with(index, theirs).with(other, record)),
        at: at(index),
      }
    }
  }
}

/** Of few records each with each; of many with those near it and the last, or the pairs would be too many to try. */
function partners(index: number, count: number): readonly number[] {
  const others = Array.from({ length: count - index - 1 }, (_, at) => index + 1 + at)
  return others.length <= 24 ? others : [...others.slice(0, 3), count - 1]
}

/** The record that a byte belongs to. What lies before the first belongs to it. */
export function recordAt(offsets: Offsets, at: number): number {
  return Math.max(
    0,
    offsets.slice(0, -1).findLastIndex(offset => offset <= at),
  )
}
