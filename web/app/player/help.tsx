import { Dialog } from '../parts/dialog.tsx'
import { bindings } from './keys.ts'

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <KeysDialog
      title="Keys of the player"
      when="They act while the player has the focus: press it, or go there with Tab."
      keys={bindings.map(({ key, shown, says }) => [shown ?? key, says])}
      onClose={onClose}
    />
  )
}

/** `keys`: what is on each, and what it does. */
export function KeysDialog({
  title,
  when,
  keys,
  onClose,
}: {
  title: string
  when: string
  keys: readonly (readonly [key: string, says: string])[]
  onClose: () => void
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div>
        <p class="quiet">{when}</p>
        <dl class="facts keys">
          {keys.map(([key, says]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{says}</dd>
            </div>
          ))}
        </dl>
      </div>
    </Dialog>
  )
}
