/** The two ends of the channel that Node opens between a process and one that it forked. */
import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { Link, type LinkParts, type Port } from './link.ts'
import { gatewaySide, workerSide } from './messages.ts'

export type WorkerLink = Link<
  typeof workerSide.ask,
  typeof workerSide.tell,
  typeof workerSide.answer,
  typeof workerSide.hear
>
export type GatewayLink = Link<
  typeof gatewaySide.ask,
  typeof gatewaySide.tell,
  typeof gatewaySide.answer,
  typeof gatewaySide.hear
>

/** The worker's end: what it asks the gateway. */
export function linkToGateway(
  parts: LinkParts<typeof workerSide.answer, typeof workerSide.hear>,
): WorkerLink {
  return new Link(parentPort(), workerSide, parts)
}

/** The gateway's end: what it asks a worker. */
export function linkToWorker(
  child: ChildProcess,
  parts: LinkParts<typeof gatewaySide.answer, typeof gatewaySide.hear>,
): GatewayLink {
  return new Link(childPort(child), gatewaySide, parts)
}

function childPort(child: ChildProcess): Port {
  return {
    send: (message, socket) => {
      if (!child.connected) throw new Error('its process is gone')
      // Kept open here: Node forgets a socket that is on its way to a process that dies, and its client would wait for ever.
      child.send(message, socket, { keepOpen: true }, failed => void (failed !== null && socket?.destroy()))
    },
    onMessage: listener => void child.on('message', listener),
    onGone: listener => {
      child.once('disconnect', listener)
      child.once('exit', listener)
    },
  }
}

function parentPort(): Port {
  return {
    send: (message: object, socket?: Socket) => {
      if (!process.connected || process.send === undefined) throw new Error('the gateway is gone')
      process.send(message, socket, undefined, () => {}) // what fails is noticed by `disconnect`
    },
    onMessage: listener => void process.on('message', listener),
    onGone: listener => void process.once('disconnect', listener),
  }
}
