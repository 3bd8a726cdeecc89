type Policies = {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string }
}
let policy: ReturnType<Policies['createPolicy']> | undefined

/** Where the Content-Security-Policy asks for trusted types, addresses of workers are the only ones that there ever are. */
export function trusted(url: string): string {
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes
  policy ??= policies?.createPolicy('sallyport', { createScriptURL: own => own })
  return policy?.createScriptURL(url) ?? url
}
