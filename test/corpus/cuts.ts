/** Ways of cutting a recording's output: what is read of it must not depend on where the network cut it. */
import { createHash } from 'node:crypto'
import { carriesData, type EventRecord } from '../../src/recorder/event.ts'

export type Cut = (records: readonly EventRecord[]) => EventRecord[]

/** At every byte. */
export const inBytes: Cut = records => pieces(records, () => 1)

/** Nowhere between two keys. */
export const joined: Cut = records => {
  const out: EventRecord[] = []
  for (const record of records) {
    const last = out.at(-1)
    if (last !== undefined && carriesData(last.event) && carriesData(record.event)) {
      const data = Buffer.concat([last.event.data, record.event.data])
      out[out.length - 1] = { ...last, event: { ...last.event, data } }
    } else out.push(record)
  }
  return out
}

/** In pieces of 1 to `longest` bytes, always the same for one seed. */
export function inPieces(seed: number, longest: number): Cut {
  return records => {
    let state = seed >>> 0
    return pieces(joined(records), () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0 // Numerical Recipes' generator
      return 1 + ((state >>> 8) % longest)
    })
  }
}

/** The cut that a recording is read with, apart from its own: another for each name. */
export function cutOf(name: string): Cut {
  const hash = createHash('sha256').update(name).digest()
  const seed = hash.readUInt32BE(1)
  const kind = hash.readUInt8(0) % 8
  if (kind === 0) return inBytes
  if (kind < 3) return joined
  return inPieces(seed, [5, 24, 120, 600][kind % 4] ?? 5)
}

function pieces(records: readonly EventRecord[], next: () => number): EventRecord[] {
  return records.flatMap(record => {
    const { event } = record
    if (!carriesData(event)) return [record]
    const cut: EventRecord[] = []
    for (let at = 0; at < event.data.length; ) {
      const length = next()
      cut.push({ ...record, event: { ...event, data: event.data.subarray(at, at + length) } })
      at += length
    }
    return cut
  })
}
