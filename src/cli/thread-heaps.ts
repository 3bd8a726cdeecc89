/** How large the heaps of threads begin. The gateway starts with a large one (bin/sallyport.js), and V8 gives what it was started with to every thread, too. */
import { setFlagsFromString } from 'node:v8'

/**
 * From here on threads begin with a small heap, as Node has it. With the process's own 256 MiB each of them would let so much garbage pile up
 * before it is collected once: what reads recordings, and PostgreSQL's grammar, makes a lot of it. V8 reads the flag when a heap is made.
 */
export function smallThreadHeaps(): void {
  setFlagsFromString('--initial-old-space-size=0')
}
