/**
 * The page of an encrypted session: the auditor chooses a key file, and what was recorded is opened here. The key stays in the memory of
 * this page for as long as that takes: it is sent nowhere, and kept nowhere.
 */
import './node/buffer.ts'
import { screenTextOf } from '../src/recorder/screen-text.ts'
import { sqlText } from '../src/recorder/sql-export.ts'
import { hiddenRunInText, markOf } from '../src/api/hidden.ts'
import { type Opened, openRecording } from './recording.ts'
import { isLocked } from './locked.ts'
import { parseKey, unlockKey } from './unlock.ts'

/** Characters that one page shows; `sallyport export` gives the whole. */
const maxCharacters = 1_000_000
/** A whole recording is in memory here, and what it inflates to besides. */
const maxStoredBytes = 256 * 1024 * 1024

const part = element('auditor', HTMLElement)
const input = element('auditor-key', HTMLInputElement)
const said = element('auditor-said', HTMLElement)

const lock = element('auditor-lock', HTMLElement)
const passphrase = element('auditor-passphrase', HTMLInputElement)
const button = element('auditor-open', HTMLButtonElement)
/** What the file holds, until its passphrase was typed. */
let locked = ''

input.disabled = false
input.addEventListener('change', () => void choose())
lock.addEventListener('submit', event => {
  event.preventDefault()
  void showLocked()
})

async function choose(): Promise<void> {
  const file = input.files?.[0]
  if (file === undefined) return
  const text = (await file.text()).trim()
  input.value = ''
  lock.hidden = !isLocked(text)
  if (lock.hidden) return show(async () => text)
  locked = text
  said.textContent = 'This key is locked with a passphrase.'
  passphrase.focus()
}

async function showLocked(): Promise<void> {
  const typed = passphrase.value
  passphrase.value = ''
  await show(() => unlockKey(locked, typed))
}

function element<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`${id} is missing`)
  return found
}

async function show(readKey: () => Promise<string>): Promise<void> {
  input.disabled = true
  button.disabled = true
  try {
    const jwk = parseKey(await readKey())
    said.textContent = 'The recording is fetched and opened.'
    const opened = await openRecording(await stored(part.dataset['stored'] ?? ''), jwk)
    locked = ''
    showText(textOf(opened), opened)
  } catch (error) {
    said.textContent = error instanceof Error ? error.message : String(error)
    input.disabled = false
    button.disabled = false
  }
}

async function stored(address: string): Promise<ArrayBuffer> {
  const answer = await fetch(address, { credentials: 'same-origin' })
  if (!answer.ok)
    throw new Error(`The gateway does not give the recording (${answer.status}). Load this page again.`)
  if (Number(answer.headers.get('Content-Length')) > maxStoredBytes)
    throw new Error(
      'The recording is too large for this page. Take it out with "sallyport export" and your key.',
    )
  return answer.arrayBuffer()
}

function textOf({ header, events }: Opened): { text: string; isCut: boolean } {
  const pieces = header.protocol === 'postgres' ? sqlText(events) : screenTextOf({ events: () => events })
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length > maxCharacters) return { text: text.slice(0, maxCharacters), isCut: true }
  }
  return { text, isCut: false }
}

function showText({ text, isCut }: { text: string; isCut: boolean }, { isSealed }: Opened): void {
  const shown = document.createElement('pre')
  shown.className = 'transcript'
  shown.tabIndex = 0
  shown.setAttribute('aria-label', 'Transcript')
  shown.append(...visible(text))
  said.textContent = [
    'Opened in this page with your key, which has not left it.',
    isSealed ? '' : 'The recording has no seal: its end may be missing.',
    isCut ? 'Only the beginning is shown: "sallyport export" gives the whole.' : '',
    text === '' ? 'Nothing was shown or said.' : '',
  ]
    .filter(sentence => sentence !== '')
    .join(' ')
  part.replaceChildren(said, shown)
}

/** Text as text, never as HTML; what would not show is marked, as on the gateway's own pages. */
function* visible(text: string): Generator<Node> {
  let at = 0
  for (const match of text.matchAll(hiddenRunInText)) {
    yield document.createTextNode(text.slice(at, match.index))
    const mark = document.createElement('mark')
    mark.textContent = markOf(match[0])
    yield mark
    at = match.index + match[0].length
  }
  yield document.createTextNode(text.slice(at))
}
