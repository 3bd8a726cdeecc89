/** Asks for the auditor's key of an encrypted recording. The key stays in the memory of this page: it is sent nowhere, and kept nowhere. */
import { useState } from 'preact/hooks'
import { isLocked } from '../../locked.ts'
import { Line } from '../parts/hidden.tsx'

/** Fetches and opens the recording with a key, and says how far it is. Rejects with a sentence for whoever chose the key. */
export type OpenWith<Opened> = (
  key: string,
  passphrase: string,
  say: (text: string) => void,
) => Promise<Opened>

export function KeyPart<Opened>({
  open: openWith,
  onOpened,
}: {
  open: OpenWith<Opened>
  onOpened: (opened: Opened) => void
}) {
  const [said, setSaid] = useState('')
  const [locked, setLocked] = useState('')
  const [isBusy, setBusy] = useState(false)
  const open = async (key: string, passphrase: string): Promise<void> => {
    setBusy(true)
    setSaid('The recording is fetched and opened.')
    try {
      onOpened(await openWith(key, passphrase, setSaid))
    } catch (thrown) {
      setSaid(thrown instanceof Error ? thrown.message : String(thrown))
      setBusy(false)
    }
  }
  const choose = async (input: HTMLInputElement): Promise<void> => {
    const key = ((await input.files?.[0]?.text()) ?? '').trim()
    input.value = ''
    if (key === '') return
    if (!isLocked(key)) return open(key, '')
    setLocked(key)
    setSaid('This key is locked with a passphrase.')
  }
  return (
    <section class="card" aria-labelledby="key-head">
      <h2 id="key-head">This recording is encrypted</h2>
      <p>
        The gateway cannot read it. Choose your auditor's key: the recording is opened in this page, and the
        key leaves it nowhere. Close the page, and both are gone.
      </p>
      <label class="field">
        Key file
        <input
          type="file"
          accept=".jwk,.json"
          disabled={isBusy}
          onChange={event => void choose(event.currentTarget)}
        />
      </label>
      {locked === '' ? null : (
        <form
          onSubmit={event => {
            event.preventDefault()
            const typed = new FormData(event.currentTarget).get('passphrase')
            event.currentTarget.reset()
            void open(locked, typeof typed === 'string' ? typed : '')
          }}
        >
          <label class="field">
            Passphrase
            <input type="password" name="passphrase" autocomplete="off" disabled={isBusy} />
          </label>
          <button type="submit" class="button first" disabled={isBusy}>
            Open
          </button>
        </form>
      )}
      <p role="status">
        <Line text={said} />
      </p>
    </section>
  )
}
