/** Which letters are commands on a page: always in its upper right corner, behind the same button. */
import { Link } from '../router.tsx'
import { useSetting } from '../settings.ts'
import { Popover } from './popover.tsx'

export function KeysHelp({ keys }: { keys: readonly (readonly [string, string])[] }) {
  const [setting] = useSetting('keys')
  return (
    <Popover class="button small" label="Keys">
      {() => (
        <>
          <dl class="keys">
            {keys.map(([key, does]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
          <p class="quiet small">
            Single letters are switched {setting}. <Link to="/me">Change that on your own page</Link>
          </p>
        </>
      )}
    </Popover>
  )
}
