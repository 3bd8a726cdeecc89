/** ssh2 has no types of its own; the demo's target needs only its server, whose events `ssh-target.ts` describes. */
declare module 'ssh2' {
  import type { Server as NetServer } from 'node:net'
  class Server extends NetServer {
    constructor(options: { hostKeys: string[] }, listener: (client: never, info: never) => void)
  }
  const ssh2: { Server: typeof Server }
  export default ssh2
}
