/** A worker process whose append fails or hangs when a test says so. */
import { runPostgresWorker } from '../../src/cli/worker.ts'
import { faultyAppend } from './faulty-append.ts'

runPostgresWorker({ append: faultyAppend('worker') })
