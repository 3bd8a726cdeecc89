/** How the packages are called that `src/api/scripts.ts` serves to browsers. */
declare module '@xterm/headless/module' {
  export { Terminal } from '@xterm/headless'
}
