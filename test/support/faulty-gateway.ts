/** The gateway with an append that fails or hangs while the file in SALLYPORT_TEST_FAULT says so. */
import { startGateway } from '../../src/cli/gateway.ts'
import { untilStopped } from '../../src/cli/serve.ts'
import { openLog } from '../../src/log.ts'
import { faultyAppend } from './faulty-append.ts'

const log = openLog()
const gateway = await startGateway(process.argv[process.argv.length - 1] ?? '', log, {
  append: faultyAppend('gateway'),
  workerEntry: new URL('faulty-worker.ts', import.meta.url),
})
log.info({ ssh: gateway.sshPort, web: gateway.webPort }, 'listening')
await untilStopped(gateway, () => {})
