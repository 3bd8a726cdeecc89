import { Terminal } from '@xterm/headless/module'

export default { Terminal }
