/** Replies to Parse, Bind, Describe and Close. */
import type { SessionNames } from '../session-names.ts'
import type { Shape } from '../shapes.ts'
import type { Requests } from './requests.ts'

export class Preparations {
  readonly #requests: Requests
  readonly #names: SessionNames

  constructor(parts: { readonly requests: Requests; readonly names: SessionNames }) {
    this.#requests = parts.requests
    this.#names = parts.names
  }

  parseComplete(): void {
    const request = this.#requests.next()
    if (request?.kind !== 'parse') throw this.#requests.unexpected('ParseComplete')
    this.#requests.shift()
    this.#names.parsed(request.prepared)
  }

  bindComplete(): void {
    const request = this.#requests.next()
    if (request?.kind !== 'bind') throw this.#requests.unexpected('BindComplete')
    this.#requests.shift()
    this.#names.bound(request.portal)
  }

  closeComplete(): void {
    const request = this.#requests.next()
    if (request?.kind !== 'close') throw this.#requests.unexpected('CloseComplete')
    this.#requests.shift()
    this.#names.close(request.what, request.name)
  }

  parameterTypes(types: readonly number[]): void {
    const request = this.#requests.next()
    if (request?.kind !== 'describe' || request.what !== 'statement' || request.typesCame)
      throw this.#requests.unexpected('ParameterDescription')
    request.typesCame = true
    this.#names.learnTypes(request.name, types)
  }

  /** The columns of what was described. Returns whether the gateway asked, and not the client. */
  columns(shape: Shape): boolean {
    const request = this.#requests.next()
    if (request?.kind !== 'describe') throw this.#requests.unexpected('RowDescription')
    this.#requests.shift()
    this.#names.learnShape(request.what, request.name, shape)
    return request.isOurs
  }

  /** The same of what returns no rows. */
  noColumns(): boolean {
    const request = this.#requests.next()
    if (request?.kind !== 'describe') throw this.#requests.unexpected('NoData')
    this.#requests.shift()
    return request.isOurs
  }
}
