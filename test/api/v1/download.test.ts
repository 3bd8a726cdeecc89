/** Downloads are made piece by piece in a thread. */
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { startDownload } from '../../../src/api/v1/download/download.ts'
import { newBench, newGrant, output, startRecorder, turn } from '../../recorder/support.ts'

test('a download of many pieces leaves nothing behind on its thread for each', async () => {
  const bench = newBench()
  const recorder = startRecorder(bench)
  const recording = recorder.open(newGrant(), { session: 's-many', protocol: 'ssh' })
  for (let line = 0; line < 200; line++) {
    recording.record(output(`line ${line} ${'x'.repeat(30_000)}\r\n`))
    await turn()
  }
  await recording.seal('over')
  await recorder.close()
  const warnings: string[] = []
  const warned = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', warned)
  try {
    const order = {
      file: join(bench.folder, recording.path),
      format: 'asciicast-v2',
      channel: undefined,
      bundle: undefined,
    } as const
    const ended = Promise.withResolvers<void>()
    const got = await buffer(await startDownload(order, ended.resolve))
    await ended.promise
    expect(got.toString().match(/line \d+/g)).toHaveLength(200)
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', warned)
  }
})
