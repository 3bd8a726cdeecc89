/** What a page says when it has nothing to show yet, or will not have: and what to do about it. */
import type { ComponentChildren } from 'preact'
import { OfflineError, ProblemError, type Resource } from '../api.ts'
import { Line } from './hidden.tsx'

/** `isPage`: it is all that the page says, so its title is the page's first heading. */
type OfPage = { readonly isPage?: boolean }

function Title({ isPage = false, children }: OfPage & { children: ComponentChildren }) {
  return isPage ? <h1>{children}</h1> : <h2>{children}</h2>
}

export function Loading({ what = 'Loading', isPage = false }: { what?: string } & OfPage) {
  return (
    <p class="state loading" role="status">
      <span class="spinner" aria-hidden="true" />
      <span {...(isPage ? { role: 'heading', 'aria-level': 1 } : {})}>{what}…</span>
    </p>
  )
}

export function Empty({
  title,
  isPage = false,
  children,
}: { title: string; children?: ComponentChildren } & OfPage) {
  return (
    <div class="state empty">
      <Title isPage={isPage}>{title}</Title>
      {children}
    </div>
  )
}

export function NoPermission({ detail, isPage = false }: { detail?: string } & OfPage) {
  return (
    <div class="state refused" role="alert">
      <Title isPage={isPage}>This is not for you to see</Title>
      <p>{detail ?? 'Your roles do not let you review this.'}</p>
      {detail?.includes('Ask ') === true ? null : (
        <p>Who should? Ask those who keep the policy to give your role a review rule for it.</p>
      )}
    </div>
  )
}

/** Leads back to this very address, with its time and its filters. */
export function signInAddress(): string {
  return `/sign-in/start?app=${encodeURIComponent(location.pathname + location.search)}`
}

export function SignedOut({ isPage = false }: OfPage) {
  return (
    <div class="state signed-out" role="alert">
      <Title isPage={isPage}>Sign in to go on</Title>
      <p>You are not signed in, or your sign-in is over. Afterwards you are back on this page.</p>
      <p>
        <a class="button first" href={signInAddress()}>
          Sign in
        </a>
      </p>
    </div>
  )
}

/** Any failure: offline, signed out, refused, not there, or broken. */
export function Failed({
  error,
  retry,
  isPage = false,
}: { error: Error; retry?: (() => void) | undefined } & OfPage) {
  if (error instanceof ProblemError && error.status === 401) return <SignedOut isPage={isPage} />
  if (error instanceof ProblemError && error.status === 403)
    return <NoPermission detail={error.message} isPage={isPage} />
  const title =
    error instanceof OfflineError
      ? 'The gateway does not answer'
      : error instanceof ProblemError
        ? error.title
        : 'This page has a fault'
  const advice = error instanceof ProblemError ? adviceOn(error.status) : undefined
  return (
    <div class="state failed" role="alert">
      <Title isPage={isPage}>
        <Line text={title} />
      </Title>
      <p>
        {error instanceof OfflineError ? (
          'Check your network. Nothing that you have done here is lost.'
        ) : (
          <Line text={error.message} />
        )}
      </p>
      {advice === undefined ? null : <p>{advice}</p>}
      {retry === undefined ? null : (
        <p>
          <button type="button" class="button" onClick={retry}>
            Try again
          </button>
        </p>
      )}
    </div>
  )
}

/** What whoever sees it can do. What is wrong with a question, its own text says. */
function adviceOn(status: number): string | undefined {
  if (status >= 500)
    return 'The fault is not yours. Try again; if it stays so, tell those who run this gateway when it was.'
  if (status === 429) return 'Wait for a minute, then try again.'
  if (status === 404) return 'It may have been removed, or never was: look at the address.'
  return undefined
}

/** What a resource is, or why it is not there. */
export function Shown<T>({
  resource,
  what = 'Loading',
  isPage = false,
  children,
}: {
  resource: Resource<T>
  what?: string
  children: (data: T) => ComponentChildren
} & OfPage) {
  if (resource.state === 'loading') return <Loading what={what} isPage={isPage} />
  if (resource.state === 'failed')
    return <Failed error={resource.error} retry={resource.retry} isPage={isPage} />
  return <>{children(resource.data)}</>
}
