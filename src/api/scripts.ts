/** The scripts of the page of encrypted sessions: `scripts-worker.ts` says where they come from. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Fault, reasonOf } from '../errors.ts'

/** The one that the page names; the others follow from it. */
export const firstScript = '/scripts/web/auditor.js'

let scripts: Promise<ReadonlyMap<string, string>> | undefined

/** The script at an address, or undefined. They are put together when the first is asked for. Rejects with a Fault NOT_FOUND. */
export async function scriptAt(address: string): Promise<string | undefined> {
  scripts ??= collect().catch((cause: unknown) => {
    scripts = undefined
    throw new Fault('NOT_FOUND', 'The scripts of this page are not installed.', {
      log: reasonOf(cause),
      cause,
    })
  })
  return (await scripts).get(address)
}

/** In a thread: it takes a tenth of a second, and sessions go on meanwhile. It warns that types are stripped, which is known. */
async function collect(): Promise<ReadonlyMap<string, string>> {
  const worker = new Worker(new URL('scripts-worker.ts', import.meta.url), { name: 'scripts', stderr: true })
  const [found] = (await once(worker, 'message')) as [ReadonlyMap<string, string>]
  return found
}
