import { WireReader, uint32 } from '../../wire.ts'
import type { ChannelOwner, LobbyChannel } from './channel.ts'

/** The exit status of what does not run here. */
const exitStatus = 1

const text =
  'sallyport: This connection names no target. Say where to: ssh LOGIN@TARGET@GATEWAY, or ssh -J GATEWAY LOGIN@TARGET.\r\n'

/** What the lobby has for whoever wants a shell or a command: a sentence on stderr. */
export function notice(channel: LobbyChannel): ChannelOwner {
  return {
    data: data => channel.giveBack(data.length),
    endOfFile: () => {},
    closed: () => {},
    writable: () => {},
    request: (name, fields) => {
      if (!['shell', 'exec', 'subsystem'].includes(name)) return name === 'pty-req' || name === 'env'
      if (name !== 'shell') new WireReader(fields).string()
      // After the answer to this request, or OpenSSH exits before it has printed the sentence.
      queueMicrotask(() => tell(channel))
      return true
    },
  }
}

function tell(channel: LobbyChannel): void {
  channel.sendError(Buffer.from(text).subarray(0, channel.roomBytes))
  channel.request('exit-status', uint32(exitStatus))
  channel.close()
}
