/** Why something was not done. Whose sign-in is over loses nothing of what they wrote: they sign in beside it. */
import { signedOutText } from '../api.ts'
import { Line } from './hidden.tsx'
import { signInAddress } from './states.tsx'

export function Problem({ text, class: look = 'bad' }: { text: string; class?: string }) {
  if (text === '') return null
  return (
    <p class={look} role="alert">
      <Line text={text} />
      {text.includes(signedOutText) ? (
        <>
          {' '}
          <a href={signInAddress()} target="_blank" rel="noopener">
            Sign in in a new window
          </a>
          , come back, and send it again: what you wrote is still here.
        </>
      ) : null}
    </p>
  )
}
