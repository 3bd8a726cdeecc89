/** Replies that end a result, and what the statements did to names. */
import type { SessionNames } from '../session-names.ts'
import type { ExecuteRequest, QueryRequest, Requests } from './requests.ts'
import type { Results } from './results.ts'

export type CompletionsParts = {
  readonly requests: Requests
  readonly names: SessionNames
  readonly results: Results
}

export class Completions {
  readonly #requests: Requests
  readonly #names: SessionNames
  readonly #results: Results

  constructor({ requests, names, results }: CompletionsParts) {
    this.#requests = requests
    this.#names = names
    this.#results = results
  }

  commandComplete(tag: string): void {
    const request = this.#requests.next()
    if (request?.kind === 'execute') this.#executed(request, tag)
    else if (request?.kind === 'query' && !request.failed) this.#queried(request, tag)
    else throw this.#requests.unexpected('CommandComplete')
    if (tag === 'COMMIT' || tag === 'ROLLBACK') this.#names.transactionEnded()
  }

  #executed(request: ExecuteRequest, tag: string): void {
    this.#requests.shift()
    this.#results.end(request, 'done', tag)
    this.#names.executed(request.portalName, tag, request.statement)
  }

  #queried(request: QueryRequest, tag: string): void {
    request.parts++
    this.#results.end(request, 'done', tag)
    request.effectsSeen = this.#names.took(request.effects, request.effectsSeen, tag, request)
  }

  emptyQuery(): void {
    const request = this.#requests.next()
    if (request?.kind === 'execute') this.#requests.shift()
    else if (request?.kind === 'query' && !request.failed) request.parts++
    else throw this.#requests.unexpected('EmptyQueryResponse')
    this.#results.end(request, 'empty', undefined)
  }

  portalSuspended(): void {
    const request = this.#requests.next()
    if (request?.kind !== 'execute') throw this.#requests.unexpected('PortalSuspended')
    this.#requests.shift()
    this.#results.end(request, 'suspended', undefined)
  }

  functionResult(bytes: number): void {
    const request = this.#requests.next()
    if (request?.kind !== 'function' || request.failed || request.parts > 0)
      throw this.#requests.unexpected('FunctionCallResponse')
    request.parts++
    this.#results.endFunction(request, bytes)
  }
}
