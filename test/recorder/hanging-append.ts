/** A process with one TCP connection whose append hangs once it is told so: what the watchdog is for. */
import { createServer } from 'node:net'
import { openLog } from '../../src/log.ts'
import { defaultAppendTimeoutMs, startWatchdog } from '../../src/recorder/watchdog.ts'

const watchdog = startWatchdog(openLog('silent'))
/** Longer than an append may take. */
const slowMs = 2 * defaultAppendTimeoutMs
const never = new Int32Array(new SharedArrayBuffer(4))
const append = watchdog.guard((_fd, parts) => {
  if (parts.length > 0) Atomics.wait(never, 0, 0) // as a disk that does not answer
})

const server = createServer(socket => {
  socket.on('error', () => {})
  socket.on('data', data => {
    if (data.toString() === 'slow store') watchdog.watch(() => Atomics.wait(never, 0, 0, slowMs))
    else append(1, data.toString() === 'hang' ? [data] : [])
    socket.write('done')
    if (data.toString() !== 'end') return
    server.close()
    socket.destroy()
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
})
