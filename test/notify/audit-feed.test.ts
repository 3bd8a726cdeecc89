import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { endOfLog } from '../../src/notify/audit-feed.ts'
import type { Position } from '../../src/notify/position.ts'
import { Ground } from './ground.ts'

const beginning: Position = { segment: 1, offset: 0, sequence: 0, link: '' }

/** Every line from there on, as often as there is something new. */
async function readAll(
  ground: Ground,
  from: Position,
): Promise<{ kinds: string[]; sequences: number[]; end: Position }> {
  const kinds: string[] = []
  const sequences: number[] = []
  let position = from
  for (;;) {
    const { lines, end } = await ground.feed.read(position)
    kinds.push(...lines.map(({ event }) => event.kind))
    sequences.push(...lines.map(({ event }) => event.sequence))
    if (JSON.stringify(end) === JSON.stringify(position)) return { kinds, sequences, end }
    position = end
  }
}

function segments(ground: Ground): string[] {
  return readdirSync(ground.auditFolder)
    .toSorted()
    .map(name => join(ground.auditFolder, name))
}

describe('the feed of the audit log', () => {
  test('a line that is still being written is not read', async () => {
    const ground = new Ground()
    ground.open(1)
    const [file = ''] = segments(ground)
    appendFileSync(file, '{"sequence":2,"at":"2026')
    const { lines, end } = await ground.feed.read(beginning)
    expect(lines.map(({ event }) => event.sequence)).toEqual([1])
    expect((await ground.feed.read(end)).lines).toEqual([])
  })

  test('a line that the log did not write is counted and passed over', async () => {
    const ground = new Ground()
    ground.open(1)
    const [file = ''] = segments(ground)
    appendFileSync(file, 'no JSON at all\n{"sequence":"three"}\n')
    const { lines, unreadable } = await ground.feed.read(beginning)
    expect(lines).toHaveLength(1)
    expect(unreadable).toBe(2)
  })

  test('no log, no lines', async () => {
    const ground = new Ground()
    expect(await ground.feed.read(beginning)).toMatchObject({ lines: [], unreadable: 0 })
    expect(endOfLog(join(ground.folder, 'nowhere'))).toEqual(beginning)
  })

  test('lines come once and in order, over all files of the log', async () => {
    const ground = new Ground(2000)
    ground.open(300)
    expect(segments(ground).length).toBeGreaterThan(10)
    const { sequences } = await readAll(ground, beginning)
    const highest = sequences.at(-1) ?? 0
    expect(highest).toBeGreaterThanOrEqual(300)
    expect(sequences).toEqual(Array.from({ length: highest }, (_, at) => at + 1))
  })

  test('what is written later is read from where reading stopped', async () => {
    const ground = new Ground(2000)
    ground.open(20)
    const { end } = await readAll(ground, beginning)
    ground.open(20, 21)
    const later = await readAll(ground, end)
    expect(later.kinds.filter(kind => kind === 'session-open')).toHaveLength(20)
    expect(later.sequences[0]).toBe(end.sequence + 1)
  })

  test('a line of the greatest length comes whole', async () => {
    const ground = new Ground()
    const long = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`f${at}`, '\u001b'.repeat(4096)]))
    ground.append({ kind: 'probe', ...long })
    ground.open(1)
    const { lines } = await ground.feed.read(beginning)
    expect(lines.map(({ event }) => event.kind)).toContain('probe')
    expect(String(lines[0]?.event.fields['f59'])).toHaveLength(4096)
    expect((await readAll(ground, beginning)).kinds).toContain('session-open')
  })

  test('an event is named by the SHA-256 of its line', async () => {
    const ground = new Ground()
    ground.open(2)
    const [file = ''] = segments(ground)
    const [, second = ''] = readFileSync(file, 'utf8').split(/(?<=\n)/)
    const { lines } = await ground.feed.read(beginning)
    expect(lines[1]?.event.uid).toBe(createHash('sha256').update(second).digest('hex'))
  })

  test('the end is behind the last whole line, in the last file that has one', async () => {
    const ground = new Ground()
    ground.open(3)
    expect(endOfLog(ground.auditFolder)).toEqual(await ground.feed.end())
    const end = endOfLog(ground.auditFolder)
    expect(end.sequence).toBe(3)
    writeFileSync(join(ground.auditFolder, 'audit-000000000004.ndjson'), '')
    expect(endOfLog(ground.auditFolder)).toEqual(end)
    expect(await ground.feed.end()).toEqual(end)
  })
})

describe('going on after a restart', () => {
  test('the place is where it was while the log has that line', async () => {
    const ground = new Ground()
    ground.open(5)
    const { lines } = await ground.feed.read(beginning)
    const third = lines[2]?.after ?? beginning
    expect(await ground.feed.resume(third)).toEqual({ position: third, isLost: false })
  })

  test('a log that lost its end is read again from the beginning of that file, not from a place that means another line', async () => {
    const ground = new Ground()
    ground.open(5)
    const { end } = await readAll(ground, beginning)
    const [file = ''] = segments(ground)
    await ground.closeLog()
    truncateSync(file, readFileSync(file).indexOf(10) + 1)
    ground.reopenLog()
    ground.open(9, 100)
    expect(await ground.feed.resume(end)).toEqual({ position: beginning, isLost: true })
  })

  test('where old files were taken away, it goes on with the first one that is there', async () => {
    const ground = new Ground(500)
    ground.open(30)
    const gone = { segment: 2, offset: 0, sequence: 1, link: '' }
    const { position } = await ground.feed.resume(gone)
    expect(
      segments(ground).some(path => path.endsWith(`${String(position.segment).padStart(12, '0')}.ndjson`)),
    ).toBe(true)
    expect((await ground.feed.read(position)).lines.length).toBeGreaterThan(0)
  })
})
