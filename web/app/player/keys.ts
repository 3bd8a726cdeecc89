/** Keys of the player. Single letters act only while the player has the focus. */

export type Act =
  | 'toggle'
  | 'back'
  | 'forward'
  | 'back-far'
  | 'forward-far'
  | 'event-before'
  | 'event-after'
  | 'command-before'
  | 'command-after'
  | 'finding-before'
  | 'finding-after'
  | 'start'
  | 'end'
  | 'slower'
  | 'faster'
  | 'skip'
  | 'search'
  | 'comment'
  | 'copy-link'
  | 'theme'
  | 'fullscreen'
  | 'page-up'
  | 'page-down'
  | 'live'
  | 'help'

type Binding = {
  readonly key: string
  readonly shift?: true
  readonly act: Act
  readonly says: string
  readonly shown?: string
}

export const bindings: readonly Binding[] = [
  { key: ' ', act: 'toggle', says: 'Play or pause', shown: 'Space' },
  { key: 'ArrowLeft', act: 'back', says: '5 seconds back', shown: '←' },
  { key: 'ArrowRight', act: 'forward', says: '5 seconds on', shown: '→' },
  { key: 'ArrowLeft', shift: true, act: 'back-far', says: 'One minute back', shown: 'Shift ←' },
  { key: 'ArrowRight', shift: true, act: 'forward-far', says: 'One minute on', shown: 'Shift →' },
  { key: ',', act: 'event-before', says: 'One event back' },
  { key: '.', act: 'event-after', says: 'One event on' },
  { key: '[', act: 'command-before', says: 'The command before' },
  { key: ']', act: 'command-after', says: 'The next command' },
  { key: 'p', act: 'finding-before', says: 'The finding before' },
  { key: 'n', act: 'finding-after', says: 'The next finding' },
  { key: 'Home', act: 'start', says: 'To the start' },
  { key: 'End', act: 'end', says: 'To the end' },
  { key: '-', act: 'slower', says: 'Slower' },
  { key: '+', act: 'faster', says: 'Faster' },
  { key: 'i', act: 'skip', says: 'Skip idle stretches, or not' },
  { key: 'PageUp', act: 'page-up', says: 'Scroll back in what was shown', shown: 'Page up' },
  { key: 'PageDown', act: 'page-down', says: 'Scroll on', shown: 'Page down' },
  { key: '/', act: 'search', says: 'Search in this session' },
  { key: 'm', act: 'comment', says: 'Comment on this moment' },
  { key: 'c', act: 'copy-link', says: 'Copy a link to this moment' },
  { key: 'l', act: 'live', says: 'To what happens now (live sessions)' },
  { key: 'f', act: 'fullscreen', says: 'Full screen' },
  { key: 't', act: 'theme', says: 'Light or dark' },
  { key: '?', act: 'help', says: 'These keys' },
]

/** What a key means, if it means something. Keys of the slider, of fields and of the browser are theirs. */
export function actOf(event: KeyboardEvent): Act | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return undefined
  const at = event.target
  if (at instanceof HTMLElement && at.closest('input, textarea, select, [role=slider], [role=menu]') !== null)
    return undefined
  const isOnButton = at instanceof HTMLElement && at.closest('button, a, summary') !== null
  if (isOnButton && (event.key === ' ' || event.key === 'Enter')) return undefined
  const withShift = event.shiftKey && event.key.startsWith('Arrow')
  return bindings.find(({ key, shift }) => key === event.key && (shift === true) === withShift)?.act
}
