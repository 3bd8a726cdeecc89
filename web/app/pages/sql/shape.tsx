/** The shape of a class of statements, in its colour; its word stands beside it. */
import { type Look, looks, type Shape } from './look.ts'

const paths: Readonly<Record<Shape, string>> = {
  circle: 'M8 3a5 5 0 1 0 0 10a5 5 0 1 0 0-10z',
  triangle: 'M8 2L14.5 13.5H1.5z',
  square: 'M3 3h10v10H3z',
  diamond: 'M8 1.5L14.5 8L8 14.5L1.5 8z',
  bar: 'M1.5 5.5h13v5h-13z',
  cross: 'M4 2l4 4l4-4l2 2l-4 4l4 4l-2 2l-4-4l-4 4l-2-2l4-4l-4-4z',
  ring: 'M8 3a5 5 0 1 0 0 10a5 5 0 1 0 0-10zM8 6a2 2 0 1 1 0 4a2 2 0 1 1 0-4z',
}

export function LookShape({ is }: { is: Look }) {
  return (
    <svg class={`look ${is}`} viewBox="0 0 16 16" width="11" height="11" aria-hidden="true">
      <path fill-rule="evenodd" d={paths[looks[is].shape]} />
    </svg>
  )
}

export function LookName({ is }: { is: Look }) {
  return (
    <span class="look-name">
      <LookShape is={is} />
      {looks[is].name}
    </span>
  )
}
