import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { startWatchdog } from '../../src/recorder/watchdog.ts'
import { quiet } from './support.ts'

type Child = { child: ChildProcess; socket: Socket; stderr: () => string }

async function startChild(): Promise<Child> {
  const program = fileURLToPath(new URL('hanging-append.ts', import.meta.url))
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const socket = connect(Number(line.toString()), '127.0.0.1')
  socket.on('error', () => {}) // a reset is a way of closing
  await once(socket, 'connect')
  return { child, socket, stderr: () => stderr }
}

test('an append that hangs closes every connection, says so and kills the process', async () => {
  const { child, socket, stderr } = await startChild()
  socket.write('well')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toBe('done')
  const exited = once(child, 'exit')
  let heard = ''
  socket.on('data', (data: Buffer) => (heard += data.toString()))
  socket.write('hang')
  await once(socket, 'close')
  expect(heard).toBe('')
  const [code, signal] = (await exited) as [number | null, string | null]
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
  const said = JSON.parse(stderr()) as { code: string; msg: string }
  expect(said.code).toBe('RECORDING_APPEND_FAILED')
  expect(said.msg).toContain('did not return within 1000 ms')
})

test('what is no append may take longer: nothing is forwarded while it holds the thread', async () => {
  const { child, socket } = await startChild()
  socket.write('slow store')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toBe('done')
  expect(child.signalCode).toBe(null)
})

test('the watchdog keeps no process alive', async () => {
  const { child, socket } = await startChild()
  const exited = once(child, 'exit')
  socket.write('end')
  const [code] = (await exited) as [number | null]
  expect(code).toBe(0)
})

test('what an append throws comes through, and the next one is watched again', () => {
  const watchdog = startWatchdog(quiet)
  let calls = 0
  const append = watchdog.guard(() => {
    if (calls++ === 0) throw new Error('ENOSPC')
  })
  expect(() => append(1, [])).toThrow('ENOSPC')
  append(1, [])
  expect(calls).toBe(2)
  watchdog.stop()
})
