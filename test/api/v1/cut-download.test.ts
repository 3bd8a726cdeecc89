/** Downloads that fail on their way, and people who take theirs slowly or many at once. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newBench, newGrant, output, startRecorder, turn } from '../../recorder/support.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  const path = await damagedRecording()
  world = await openApiWorld({ recordings: { fetch: async () => ({ path, release: () => {} }) } })
})
afterAll(() => world.close())

/** Large, and not as it was written behind the middle. */
async function damagedRecording(): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench)
  const recording = recorder.open(newGrant(), { session: 's-damaged', protocol: 'ssh' })
  for (let line = 0; line < 400; line++) {
    const text = Array.from({ length: 3000 }, () => Math.random().toString(36).slice(2)).join('')
    recording.record(output(`line ${line} ${text}\r\n`))
    await turn()
  }
  await recording.seal('over')
  await recorder.close()
  const path = join(bench.folder, recording.path)
  const bytes = readFileSync(path)
  bytes.fill(0x55, Math.floor(bytes.length * 0.7), Math.floor(bytes.length * 0.7) + 1000)
  writeFileSync(path, bytes)
  return path
}

test('a download that fails in the middle is cut, not ended, and says nothing that is for the log', async () => {
  const answer = await fetch(`${world.url}/api/v1/sessions/${sessions.ssh}/exports/json`, {
    headers: await world.headers('reviewer'),
  })
  expect(answer.status).toBe(200)
  let came = ''
  const taken = (async () => {
    const decoder = new TextDecoder()
    for await (const piece of answer.body ?? []) came = (came + decoder.decode(piece)).slice(-2000)
  })()
  await expect(taken).rejects.toThrow()
  expect(came).not.toMatch(/Error/)
})

test('one person who takes many downloads at once, and nothing of them, leaves room for others', async () => {
  const url = `${world.url}/api/v1/sessions/${sessions.ssh}`
  const gone = new AbortController()
  const begin = async (path: string) =>
    await fetch(`${url}/${path}`, { headers: await world.headers('reviewer'), signal: gone.signal })
  try {
    for (const path of ['exports/json', 'recording']) {
      const statuses: number[] = []
      for (let asked = 0; asked < 17; asked++) statuses.push((await begin(path)).status)
      expect([...new Set(statuses)]).toEqual([200, 429])
      const other = await fetch(`${url}/${path}`, { headers: await world.headers('second') })
      expect(other.status).toBe(200)
      await other.body?.cancel()
    }
  } finally {
    gone.abort()
  }
})
