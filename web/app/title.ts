import { useEffect } from 'preact/hooks'

/** Names the page in the browser's own lists. Never anything that was recorded: titles are kept in histories. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Sallyport`
  }, [title])
}
