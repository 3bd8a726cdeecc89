/** Whom the auditor trusts: keys that they have from elsewhere, and what those vouch for. */
import { useId, useState } from 'preact/hooks'
import { Copy } from '../../parts/copy.tsx'
import { Line } from '../../parts/hidden.tsx'
import { pin, unpin } from './pins.ts'
import type { Believed, Pin } from './trust.ts'

/** Characters of a file of keys: a list of all that a gateway ever had is smaller. */
const maxFileBytes = 1024 * 1024

export function TrustPart({
  pins,
  believed,
  onPins,
}: {
  pins: readonly Pin[]
  believed: Believed
  onPins: (pins: readonly Pin[]) => void
}) {
  const id = useId()
  const [text, setText] = useState('')
  const [problem, setProblem] = useState('')
  const add = async (typed: string): Promise<void> => {
    const result = await pin(typed)
    if (typeof result === 'string') return setProblem(result)
    setProblem('')
    setText('')
    onPins(result)
  }
  const load = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return
    if (file.size > maxFileBytes) return setProblem('This file is too large for keys.')
    await add(await file.text())
  }
  return (
    <section class="card trust" aria-labelledby={id}>
      <h2 id={id}>Whom you trust</h2>
      <p class="quiet">
        Pin the key of the log, or its fingerprint, as you got it by another way than these pages: from who
        runs the gateway, or from an evidence bundle that you kept. It vouches for the keys that followed it.
      </p>
      {pins.length === 0 ? (
        <p class="note warn">
          Nothing is pinned. What follows can show damage, and no forgery by somebody who has the gateway.
        </p>
      ) : (
        <ul class="pins">
          {pins.map(({ keyId }) => (
            <li key={keyId}>
              <code>{keyId}</code> <span class="quiet">{saidOf(keyId, believed)}</span>
              <button type="button" class="button small" onClick={() => onPins(unpin(keyId))}>
                Take out<span class="unseen"> {keyId}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {believed.problem === undefined ? null : (
        <p class="note bad" role="alert">
          <Line text={believed.problem} />
        </p>
      )}
      <form
        class="pin-form"
        onSubmit={event => {
          event.preventDefault()
          void add(text)
        }}
      >
        <label class="field">
          Fingerprint (SHA256:…) or public key
          <textarea
            value={text}
            spellcheck={false}
            aria-invalid={problem !== ''}
            onInput={event => setText(event.currentTarget.value)}
          />
        </label>
        {problem === '' ? null : (
          <p class="bad" role="alert">
            <Line text={problem} />
          </p>
        )}
        <div class="row-of">
          <button type="submit" class="button first" disabled={text.trim() === ''}>
            Pin
          </button>
          <label class="button">
            Load a file…
            <input
              class="unseen"
              type="file"
              accept=".pem,.vkey,.txt,.pub"
              onChange={event => void load(event.currentTarget.files?.[0])}
            />
          </label>
          {pins.length === 0 ? null : <Copy text={() => location.href} label="Copy address with pins" />}
        </div>
      </form>
      <p class="quiet small">
        Pins stand behind the # of this page’s address, which browsers send to nobody. A bookmark keeps them.
      </p>
    </section>
  )
}

function saidOf(keyId: string, { keys }: Believed): string {
  const known = keys.find(key => key.keyId === keyId)
  if (known === undefined) return 'the gateway has no such key'
  return known.purpose === 'unknown'
    ? 'a key that the gateway does not list'
    : `${known.purpose}, ${known.state}`
}
