import { html } from 'hono/html'
import type { Html } from '../visible.ts'
import { type Layout, layout } from './layout.ts'

/** A page that says one thing: what happened and what to do. */
export function messagePage(
  frame: Pick<Layout, 'gatewayName' | 'person'>,
  message: { readonly title: string; readonly text: string; readonly more?: Html },
): Html {
  const body = html`<div class="card"><h1>${message.title}</h1><p>${message.text}</p>${message.more ?? ''}</div>`
  return layout({ ...frame, title: message.title, body })
}
