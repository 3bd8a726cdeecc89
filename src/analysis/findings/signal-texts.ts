/** What each signal of the baselines compares, in a sentence for people. */
import type { SignalName } from '../../config/config.ts'

export const signalTexts: Readonly<Record<SignalName, string>> = {
  'first-access':
    'first use of a target, a login, a table or a source network, and how many people with the role use it',
  dormancy: 'days since the person last used a target or a login, from 90 on',
  hour: 'the hour of the week (168, smoothed), against the person’s own and everybody’s',
  volume:
    'rows, bytes, files and duration of a session on a logarithmic scale, against medians of the person and of the role',
  breadth: 'different tables in a session and different targets in ten minutes, against the same medians',
  'two-sources': 'open sessions from two source networks at once',
  drift: 'commands and statements, against the person’s own counts and those of everybody else',
  reviewing: 'how many sessions a reviewer opens in an hour, against their own and other reviewers’',
}
