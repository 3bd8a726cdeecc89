/** Pages whose place is kept: they say what will be there, and what to do until then. */
import { Link, useRoute } from '../router.tsx'

const pages: Readonly<
  Record<string, { readonly title: string; readonly what: string; readonly untilThen: string }>
> = {
  '/requests': {
    title: 'Requests',
    what: 'Asking for access for a reason and a time, and deciding on what others ask for.',
    untilThen:
      'Access is what the roles in the configuration allow. Ask the people who run this gateway for a role.',
  },
  '/access-reviews': {
    title: 'Access reviews',
    what: 'Going through who may do what, and whether they still need it.',
    untilThen: 'The page of the policy lists all roles, their members and what they allow.',
  },
}

export function Page() {
  const { path } = useRoute()
  const page = pages[path.replace(/\/$/, '')]
  if (page === undefined) return null
  return (
    <>
      <div class="page-head">
        <h1>{page.title}</h1>
      </div>
      <div class="card">
        <p>Not in this version: {page.what}</p>
        <p>
          {page.untilThen} <Link to="/policy">Policies</Link>
        </p>
      </div>
    </>
  )
}
