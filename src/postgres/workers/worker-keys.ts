/** The gateway's keys as a worker has them: it knows the public halves, and asks for signatures. */
import { X509Certificate } from 'node:crypto'
import type { X509Authority } from '../../credentials/x509.ts'
import type { Signer } from '../../model.ts'
import type { SigningPurpose, WorkerKeys } from './messages.ts'
import type { WorkerLink } from './ports.ts'

export class KeysOfGateway {
  readonly #link: WorkerLink
  #keys: WorkerKeys

  constructor(link: WorkerLink, keys: WorkerKeys) {
    this.#link = link
    this.#keys = keys
  }

  /** They were changed. */
  replace(keys: WorkerKeys): void {
    this.#keys = keys
  }

  get installation(): string {
    return this.#keys.installation
  }

  /** Keys whose client certificates sign in. */
  get signIn(): readonly { readonly publicKeyPem: string }[] {
    return this.#keys.signIn.map(publicKeyPem => ({ publicKeyPem }))
  }

  /** Signs with the key that was current when the value was read; as the gateway's own, id and public key are those of the instant. */
  live(purpose: SigningPurpose): Signer {
    const keys = (): WorkerKeys => this.#keys
    const link = this.#link
    return {
      get keyId() {
        return keys()[purpose].keyId
      },
      algorithm: 'ed25519',
      get publicKeyPem() {
        return keys()[purpose].publicKeyPem
      },
      sign: async data =>
        Buffer.from(await link.ask('sign', { purpose, keyId: keys()[purpose].keyId, data })),
    }
  }

  get databases(): X509Authority {
    const { keyId, publicKeyPem, certificatePem } = this.#keys.databases
    return {
      certificatePem,
      certificate: new X509Certificate(certificatePem),
      signer: {
        keyId,
        publicKeyPem,
        algorithm: 'ed25519',
        sign: async data => Buffer.from(await this.#link.ask('sign', { purpose: 'databases', keyId, data })),
      },
    }
  }
}
