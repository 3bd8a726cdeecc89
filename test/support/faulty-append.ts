/**
 * An append that fails or hangs while the file in SALLYPORT_TEST_FAULT says "full" or "hang": for all processes of a gateway, or after
 * "gateway-" and "worker-" for these alone. Of workers, the first one that comes hangs.
 */
import { existsSync, readFileSync, unlinkSync } from 'node:fs'
import { appendAll } from '../../src/audit/append.ts'
import type { AppendSync } from '../../src/model.ts'

const faultFile = process.env['SALLYPORT_TEST_FAULT'] ?? ''

export function faultyAppend(process: 'gateway' | 'worker'): AppendSync {
  return (fd, parts) => {
    const said = existsSync(faultFile) ? readFileSync(faultFile, 'utf8') : ''
    const fault = said.startsWith(`${process}-`) ? said.slice(process.length + 1) : said
    if (fault === 'full')
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    if (fault === 'hang' && (process === 'gateway' || isFirst()))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    appendAll(fd, parts)
  }
}

function isFirst(): boolean {
  try {
    unlinkSync(faultFile)
    return true
  } catch {
    return false
  }
}
