/** The gateway with an append that fails or hangs while the file in SALLYPORT_TEST_FAULT says "full" or "hang". */
import { existsSync, readFileSync } from 'node:fs'
import { appendAll } from '../../src/audit/append.ts'
import { startGateway } from '../../src/cli/gateway.ts'
import { untilStopped } from '../../src/cli/serve.ts'
import { openLog } from '../../src/log.ts'

const faultFile = process.env['SALLYPORT_TEST_FAULT'] ?? ''

function append(fd: number, parts: readonly Uint8Array[]): void {
  const fault = existsSync(faultFile) ? readFileSync(faultFile, 'utf8') : ''
  if (fault === 'full')
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  if (fault === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  appendAll(fd, parts)
}

const log = openLog()
const gateway = await startGateway(process.argv[process.argv.length - 1] ?? '', log, { append })
log.info({ ssh: gateway.sshPort, web: gateway.webPort }, 'listening')
await untilStopped(gateway, () => {})
