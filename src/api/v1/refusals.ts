/** What the interface says when it says no. */
import type { Problem } from '../problem.ts'
import { Refused } from './route.ts'

export const notSignedIn: Problem = {
  status: 401,
  title: 'Not signed in',
  detail:
    'Sign in at the web pages, or bring an access token (Authorization: Bearer …) where that is configured.',
}

export const tokenRefused: Problem = {
  status: 401,
  title: 'Not signed in',
  detail:
    'This access token is not one that the gateway takes: it is over, for somebody else, or of another issuer.',
}

export const notReviewer: Problem = {
  status: 403,
  title: 'No role that reviews',
  detail:
    'None of your roles reviews sessions. Ask whoever writes the policy of this gateway for one that does.',
}

export const notOurPage: Problem = {
  status: 403,
  title: 'That did not come from our page',
  detail:
    'With a cookie, requests come from the pages of this gateway, and changes need the token of GET /api/v1/me in the header X-Sallyport-Token. Load the page again.',
}

export const nothingHere: Problem = {
  status: 404,
  title: 'Not found',
  detail: 'There is nothing here, or nothing that you may see.',
}

export const tooManyRequests: Problem = {
  status: 429,
  title: 'Too many requests',
  detail: 'So many were not expected of one person. Wait a minute, then go on.',
}

export const tooBusy: Problem = {
  status: 503,
  title: 'Too much at once',
  detail: 'Others are opening recordings right now. Try again in a moment.',
}

export const tooManyDownloads: Problem = {
  status: 429,
  title: 'Too many downloads',
  detail: 'As many of your downloads are on their way as one person may have. Wait until one is done.',
}

export const stillOpen: Problem = {
  status: 409,
  title: 'Still open',
  detail: 'The session goes on. Watch it, or ask again when it has ended.',
}

export const notThere: Refused = new Refused(nothingHere)

export function conflict(title: string, detail: string): Refused {
  return new Refused({ status: 409, title, detail })
}
