/**
 * Pinned keys live in the memory of this page and, as fingerprints, behind the `#` of its address: a bookmark keeps them where the gateway
 * can neither read nor change them. They are public; what has to be protected is that nobody swaps them.
 */
import { readPins, type Pin } from './trust.ts'

/** For as long as the tab shows these pages. */
let pinned: readonly Pin[] = []

export function pinsNow(): readonly Pin[] {
  return pinned
}

/** Those of the address and those that were pinned before. A text that is no fingerprint counts for nothing. */
export async function pinsOfAddress(): Promise<readonly Pin[]> {
  const text = new URLSearchParams(location.hash.slice(1)).get('pin') ?? ''
  const found = text === '' ? [] : await readPins(text.replaceAll(' ', '+'))
  if (typeof found !== 'string') pinned = together(pinned, found)
  showInAddress()
  return pinned
}

/** Adds what somebody typed or loaded, or says what is wrong with it. */
export async function pin(text: string): Promise<readonly Pin[] | string> {
  const found = await readPins(text)
  if (typeof found === 'string') return found
  if (found.length === 0) return 'There is no key in it.'
  pinned = together(pinned, found)
  showInAddress()
  return pinned
}

export function unpin(keyId: string): readonly Pin[] {
  pinned = pinned.filter(one => one.keyId !== keyId)
  showInAddress()
  return pinned
}

function together(a: readonly Pin[], b: readonly Pin[]): readonly Pin[] {
  return [...a, ...b.filter(({ keyId }) => !a.some(known => known.keyId === keyId))]
}

/** In place: pinning is no step that the back button should undo. */
function showInAddress(): void {
  const hash =
    pinned.length === 0 ? '' : `#pin=${pinned.map(({ keyId }) => encodeURIComponent(keyId)).join(',')}`
  history.replaceState(history.state, '', `${location.pathname}${location.search}${hash}`)
}
