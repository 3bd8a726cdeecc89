/** Workers have no `window`, and the terminal without a screen looks there for what it can do without. Before it is loaded. */
Object.assign(globalThis, { window: globalThis })
