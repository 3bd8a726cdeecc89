/** What an evidence bundle says of itself. */
import type { RecordingHeader } from '../header.ts'
import { terminalSafe } from '../terminal-safe.ts'

export function readmeOf(header: RecordingHeader, proofs: number): string {
  const { session, protocol, gateway, principal, login, target, openedAt, encryption } = header
  const safe = (text: string): string => terminalSafe(text, { oneLine: true })
  return `A recorded session and what proves it

Session    ${safe(session)} (${protocol})
Who        ${safe(principal.name)}, ${safe(principal.subject)} of ${safe(principal.issuer)}
As         ${safe(login)} on ${safe(target.name)}
Opened     ${openedAt}, gateway ${safe(gateway)}
Content    ${encryption === null ? 'readable' : "encrypted to the auditors' keys; all that follows works without them"}

Files
  ${session}.sallyport        the recording, byte for byte
  MANIFEST.sha256             the SHA-256 of every other file
  keys/                       the gateway's public keys: its signed list, and as PEM
  proofs/                     ${proofs === 0 ? 'nothing yet: the log of sessions had not signed for this recording' : 'that the log of sessions has this recording (C2SP tlog-proof)'}
  exported/line.ndjson        the line of the audit log that says who took this bundle out, and when
  exported/checkpoint.json    the signature over that line
  verify.py                   checks all of it; needs Python 3.9 and the package "cryptography"

What you have to have from elsewhere
  The keys in here prove only that the files agree with each other. Hold "keyId" of what verify.py prints against the
  key ids that you got from the company by another way, or give your own copy of the keys: verify.py --key FILE.
  A checkpoint of the log of sessions that somebody else kept shows that the session was not made up later.

With Sallyport
  sallyport verify . --key keys/keys.json

Without it
  python3 verify.py

With sha256sum, openssl and a shell
  1. sha256sum -c MANIFEST.sha256
  2. Who took it out: the SHA-256 of the line (with its newline) is "link" of the checkpoint, and its "sequence" is "upTo".
       sha256sum exported/line.ndjson
     The signature, with U, L and A for "upTo", "link" and "at" of the checkpoint, and S for its "signature":
       printf 'sallyport audit checkpoint v1\\n%s\\n%s\\n%s\\n' U L A > text
       echo S | base64 -d > signature
       openssl pkeyutl -verify -pubin -inkey keys/log-checkpoints.pem -rawin -in text -sigfile signature
  3. The recording is a chain: each frame has the SHA-256 of the frame before it, the last one is signed. The format is in
     recordings/README.md of Sallyport; the reader in that page is the one in verify.py.
`
}
