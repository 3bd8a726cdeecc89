/**
 * Reads a socket that somebody else opened, as `onread` of `net.connect` reads one of our own: all sockets of the process into one
 * buffer, without the stream's queue between. Only what came is copied, where Node would set 64 KiB aside for each read. Node lets nobody
 * ask for this on a socket that was accepted or that is encrypted, so this sets what its option sets; where Node has it otherwise, the
 * socket is read as a stream.
 */
import type { Socket } from 'node:net'

/** As much as Node reads at once. */
const readBytes = 64 * 1024
/** Filled by a read and emptied before the next one, of whatever socket. */
const shared = Buffer.allocUnsafeSlow(readBytes)

type Handle = { readonly useUserBuffer: (buffer: Buffer) => void }
type Slots = { readonly buffer: symbol; readonly heard: symbol; readonly handle: Handle }

/**
 * From now on `heard` gets what comes, in pieces that are its own; first what waits in the socket already. `pause` and `resume` hold as
 * ever. The socket's end and its errors are told as events.
 */
export function readFrom(socket: Socket, heard: (chunk: Buffer) => void): void {
  const slots = slotsOf(socket)
  if (slots === undefined) {
    socket.on('data', heard)
    return
  }
  for (let waiting = take(socket); waiting !== null; waiting = take(socket)) heard(waiting)
  Reflect.set(socket, slots.heard, (bytes: number) => {
    const chunk = Buffer.allocUnsafe(bytes)
    shared.copy(chunk, 0, 0, bytes)
    heard(chunk)
    return true
  })
  Reflect.set(socket, slots.buffer, shared)
  slots.handle.useUserBuffer(shared)
}

function take(socket: Socket): Buffer | null {
  return socket.readableLength > 0 ? (socket.read() as Buffer | null) : null
}

/** Where a socket keeps what its option `onread` brought (lib/net.js), if it has none yet. */
function slotsOf(socket: Socket): Slots | undefined {
  const handle = handleOf(socket)
  const buffer = slotNamed(socket, 'kBuffer')
  const heard = slotNamed(socket, 'kBufferCb')
  const isFree = buffer !== undefined && heard !== undefined && Reflect.get(socket, buffer) === null
  return handle === undefined || !isFree ? undefined : { buffer, heard, handle }
}

function handleOf(socket: Socket): Handle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  return isHandle(handle) ? handle : undefined
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'useUserBuffer' in value
}

function slotNamed(socket: Socket, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find(symbol => symbol.description === name)
}
