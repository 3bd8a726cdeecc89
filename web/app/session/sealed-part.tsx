/** A session whose recording only an auditor's key reads: asks for the key, and shows what was opened with it. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { SessionDetail, SessionFact } from '../../../src/api/schema.ts'
import { sealedFact } from '../../../src/api/v1/replay/opening-words.ts'
import { KeyPart, type OpenWith } from '../player/key-part.tsx'
import { DetailsPart } from './details.tsx'

/** With what the recording itself says of how it came to be. */
export function openedDetail(detail: SessionDetail, facts: readonly SessionFact[]): SessionDetail {
  return { ...detail, facts: [...detail.facts.filter(({ name }) => name !== sealedFact.name), ...facts] }
}

export function SealedPart<Opened extends { readonly isSealed: boolean }>({
  detail,
  open,
  children,
}: {
  detail: SessionDetail
  open: OpenWith<Opened>
  children: (opened: Opened) => ComponentChildren
}) {
  const [opened, setOpened] = useState<Opened>()
  if (detail.state === 'open')
    return <p class="note">This recording is encrypted. It can be opened here once the session has ended.</p>
  if (opened === undefined)
    return (
      <>
        <KeyPart open={open} onOpened={setOpened} />
        <DetailsPart detail={detail} />
      </>
    )
  return (
    <>
      <p class="note good">
        Opened in this page with your key, which has not left it.
        {opened.isSealed ? '' : ' The recording has no seal: its end may be missing.'}
      </p>
      {children(opened)}
    </>
  )
}
