import { Fault } from '../../../errors.ts'

/** What cannot be told in a recording without guessing: a reply that answers nothing, or requests whose fate the protocol leaves open. */
export class ExchangeProblem extends Fault {
  constructor(userText: string) {
    super('POSTGRES_PROTOCOL', userText)
    this.name = 'ExchangeProblem'
  }
}
