/** The store as a worker has it: what its sessions need is asked of the gateway, and nothing else is there. */
import { Fault } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { WorkerLink } from './ports.ts'

export function workerStore(link: WorkerLink): Store {
  return {
    hostKeys: absent(),
    signIns: absent(),
    enrolledKeys: absent(),
    holds: absent(),
    purges: absent(),
    findings: absent(),
    reviews: absent(),
    sessions: absent<Store['sessions']>({
      insert: async row => {
        await link.ask('insertSession', row).catch((cause: unknown) => {
          link.tell('withdrawSession', { id: row.id }) // it may have been inserted all the same
          throw cause
        })
      },
      end: (id, end) => link.ask('endSession', { id, end }),
    }),
    leases: absent<Store['leases']>({
      insert: row => link.ask('insertLease', row),
      advance: (id, state) => link.ask('advanceLease', { id, state }),
      remove: id => link.ask('removeLease', { id }),
    }),
    close: async () => {},
  }
}

/** Whatever of it is not `there` throws. */
function absent<Part extends object>(there: Partial<Part> = {}): Part {
  return new Proxy(there as Part, {
    get: (of, name) => {
      if (name in of) return Reflect.get(of, name)
      throw new Fault('STORE_UNAVAILABLE', 'The gateway cannot do this in a worker process.', {
        log: `a worker process has no ${String(name)}`,
      })
    },
  })
}
