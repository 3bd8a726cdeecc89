/**
 * The gateway with a clock that runs ahead, and that dies at a step of a purge: the file in SALLYPORT_TEST_FAULT says
 * `{ "aheadMs": …, "killAt": … }`.
 */
import { existsSync, readFileSync } from 'node:fs'
import { startGateway } from '../../src/cli/gateway.ts'
import { untilStopped } from '../../src/cli/serve.ts'
import { systemClock } from '../../src/clock.ts'
import { openLog } from '../../src/log.ts'

const file = process.env['SALLYPORT_TEST_FAULT'] ?? ''
const said = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : {}
const aheadMs = Number(said['aheadMs'] ?? 0)

const log = openLog()
const gateway = await startGateway(process.argv[process.argv.length - 1] ?? '', log, {
  clock: { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs },
  retentionTiming: { firstRunMs: 3_600_000, runEveryMs: 3_600_000 },
  onPurgeStep: step => void (step === said['killAt'] && process.kill(process.pid, 'SIGKILL')),
})
log.info({ ssh: gateway.sshPort, web: gateway.webPort }, 'listening')
await untilStopped(gateway, () => {})
