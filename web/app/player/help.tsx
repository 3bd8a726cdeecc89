import { Dialog } from '../parts/dialog.tsx'
import { bindings } from './keys.ts'

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys of the player" onClose={onClose}>
      <div>
        <p class="quiet">They act while the player has the focus: press it, or go there with Tab.</p>
        <dl class="facts keys">
          {bindings.map(({ act, key, shown, says }) => (
            <div key={act}>
              <dt>
                <kbd>{shown ?? key}</kbd>
              </dt>
              <dd>{says}</dd>
            </div>
          ))}
        </dl>
      </div>
    </Dialog>
  )
}
