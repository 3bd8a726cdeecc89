import type { WaitingSignIns } from './waiting-sign-in.ts'

/** What browsers may do about sign-ins that wait. */
export type BrowserHalf = Pick<WaitingSignIns, 'find' | 'bind' | 'confirm' | 'approve' | 'deny'>

/**
 * The sign-ins of several listeners as one: each has its own places, so that connections which wait on one protocol never take those
 * of the other, and the page finds them all.
 */
export function joinWaiting(first: BrowserHalf, ...more: readonly BrowserHalf[]): BrowserHalf {
  const of = (id: string): BrowserHalf => more.find(one => one.find(id) !== undefined) ?? first
  return {
    find: id => of(id).find(id),
    bind: (id, ...rest) => of(id).bind(id, ...rest),
    confirm: (id, ...rest) => of(id).confirm(id, ...rest),
    approve: (id, ...rest) => of(id).approve(id, ...rest),
    deny: (id, ...rest) => of(id).deny(id, ...rest),
  }
}
