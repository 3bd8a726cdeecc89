/** Who is signed in, for all pages. */
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Me } from '../../src/api/schema.ts'

export const signedIn = createContext<Me | undefined>(undefined)

/** Pages are shown to people who are signed in only. */
export function useMe(): Me {
  const me = useContext(signedIn)
  if (me === undefined) throw new TypeError('a page is shown before anybody is signed in')
  return me
}
