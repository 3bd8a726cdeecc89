/** The bytes of channels: against their windows, into the recording, and on (RFC 4254, section 5.2). */
import { Fault } from '../../errors.ts'
import type { RelayChannel } from '../channel.ts'
import type { Conduit } from '../forwarding/conduit.ts'
import { encodeDataHead, encodeExtendedDataHead, encodeWindowAdjust, stderrCode } from '../messages.ts'
import type { Decoded } from '../sftp/decoder.ts'
import { cancelSequence } from '../zmodem/frames.ts'
import { type Channels, numberOf } from './channels.ts'
import type { Circuit } from './circuit.ts'
import { type Leg, steer } from './leg.ts'

const noZmodem = 'Policy does not allow files to be moved through a terminal here.'

export class Streams {
  readonly #circuit: Circuit
  readonly #channels: Channels

  constructor(circuit: Circuit, channels: Channels) {
    this.#circuit = circuit
    this.#channels = channels
  }

  windowAdjust(from: Leg, channel: RelayChannel, bytes: number): void {
    const [end, other] = this.#channels.ends(from, channel)
    const left = other.afterOurs(bytes)
    other.grant(left)
    if (!end.sentClose && !other.sentClose && !channel.refused && (left > 0 || bytes === 0)) {
      this.#circuit.send(this.#circuit.other(from), encodeWindowAdjust(numberOf(other), left))
    }
  }

  data(from: Leg, channel: RelayChannel, data: Buffer): void {
    const [end] = this.#channels.ends(from, channel)
    end.spend(data.length)
    if (channel.refused) return
    if (channel.conduit !== undefined) return this.#carry(from, channel, channel.conduit, data)
    if (from === this.#circuit.client) this.#input(channel, data)
    else this.#output(channel, data)
  }

  #output(channel: RelayChannel, data: Buffer): void {
    const { client, limits, session } = this.#circuit
    if (channel.sftp === undefined)
      this.#circuit.record(channel.recordOutput('output', data, limits.keepOutputBytes))
    else if (!this.#recordFiles(channel, this.#circuit.target, channel.sftp.fromTarget(data))) return
    if (channel.terminal !== 'given') session.touch()
    this.#circuit.sendData(client, encodeDataHead(numberOf(channel.client), data.length), data)
  }

  /** What is no session's: recorded and sent on as the conduit says, or not at all. */
  #carry(from: Leg, channel: RelayChannel, conduit: Conduit, data: Buffer): void {
    const { events, pieces, violation } =
      from === this.#circuit.client ? conduit.fromClient(data) : conduit.fromTarget(data)
    this.#circuit.record(events)
    if (violation !== undefined) {
      this.#circuit.recordRefusal(
        `channel ${channel.type}`,
        `Ended, because of what the ${from.name} sent: ${violation}.`,
        channel.id,
      )
      return this.#channels.breakOff(channel)
    }
    this.#circuit.session.touch()
    const [end, other] = this.#channels.ends(from, channel)
    for (const piece of pieces.flatMap(bytes => packetsOf(bytes, end.maxPacketBytes)))
      this.#circuit.sendData(this.#circuit.other(from), encodeDataHead(numberOf(other), piece.length), piece)
  }

  /** Input that comes while a terminal is asked for waits for the answer, and the client with it. */
  #input(channel: RelayChannel, data: Buffer): void {
    const { client, target, session } = this.#circuit
    if (channel.terminal === 'asked') {
      channel.heldInput.push(data)
      this.#circuit.inputWaits.add(channel)
      return steer(client, true)
    }
    let passing = data
    if (channel.sftp === undefined) {
      const { events, onlyThese } = channel.recordInput(data)
      this.#circuit.record(events)
      passing = onlyThese ?? data
    } else if (!this.#recordFiles(channel, client, channel.sftp.fromClient(data))) return
    session.touch()
    if (passing.length > 0)
      this.#circuit.sendData(target, encodeDataHead(numberOf(channel.target), passing.length), passing)
    if (passing.length < data.length) this.#refuseTransfer(channel, data.length - passing.length)
  }

  /** A program at the client's terminal wants to move files: both ends hear the protocol's own cancel, and the person why. */
  #refuseTransfer(channel: RelayChannel, droppedBytes: number): void {
    const { client, target } = this.#circuit
    this.#circuit.recordRefusal('zmodem', noZmodem, channel.id)
    channel.client.grant(droppedBytes) // they never reach the target, which would have granted them again
    this.#circuit.send(client, encodeWindowAdjust(numberOf(channel.client), droppedBytes))
    if (!channel.target.sentClose && channel.client.addOurs(cancelSequence.length))
      this.#circuit.sendData(
        target,
        encodeDataHead(numberOf(channel.target), cancelSequence.length),
        cancelSequence,
      )
    const sentence = Buffer.concat([cancelSequence, Buffer.from(`\r\nsallyport: ${noZmodem}\r\n`)])
    // Behind an end of file nothing may follow (RFC 4254, section 5.3).
    if (channel.target.sentEndOfFile || channel.target.sentClose) return
    if (!channel.target.addOurs(sentence.length)) return
    this.#circuit.sendData(client, encodeDataHead(numberOf(channel.client), sentence.length), sentence)
  }

  releaseInput(channel: RelayChannel): void {
    if (!this.#circuit.inputWaits.delete(channel)) return
    for (const data of channel.heldInput.splice(0)) if (!channel.refused) this.#input(channel, data)
    this.#circuit.forward(() => this.#circuit.steerFlow())
  }

  /** Whether the bytes may go on. What does not decode does not, and neither does anything on that channel after it. */
  #recordFiles(channel: RelayChannel, from: Leg, { events, violation }: Decoded): boolean {
    this.#circuit.record(events)
    if (violation === undefined) return true
    this.#channels.breakOff(
      channel,
      `File transfer ended, because of what the ${from.name} sent: ${violation}.`,
    )
    return false
  }

  /** Only targets have a second stream, and only one (RFC 4254, section 5.2). */
  extendedData(from: Leg, channel: RelayChannel, code: number, data: Buffer): void {
    const { client, limits, session } = this.#circuit
    const [end, other] = this.#channels.ends(from, channel)
    if (from === client || code !== stderrCode || channel.conduit !== undefined)
      throw new Fault('SSH_PROTOCOL', 'Unknown kind of data on a channel.')
    end.spend(data.length)
    if (channel.refused) return
    this.#circuit.record(channel.recordOutput('error-output', data, limits.keepOutputBytes))
    if (channel.terminal !== 'given') session.touch()
    this.#circuit.sendData(client, encodeExtendedDataHead(numberOf(other), code, data.length), data)
  }
}

/** A conduit may let more go at once than came at once. */
function packetsOf(bytes: Buffer, maxPacketBytes: number): readonly Buffer[] {
  if (bytes.length <= maxPacketBytes) return [bytes]
  const count = Math.ceil(bytes.length / maxPacketBytes)
  return Array.from({ length: count }, (_, n) => bytes.subarray(n * maxPacketBytes, (n + 1) * maxPacketBytes))
}
