/** What the gateway forks for each of `postgres.workers`. */
import { runPostgresWorker } from './worker.ts'

runPostgresWorker()
