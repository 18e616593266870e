import { resolve } from 'node:path'

/** Every command, with the words that it takes; null: it looks at them itself. */
export const commands = {
  start: [],
  reload: [],
  serve: [],
  work: [],
  auth: [],
  migrate: [],
  health: ['process'],
  audit: [],
  jobs: [],
  retry: ['job'],
  reseal: [],
  'edge-keys': ['folder'],
  cluster: null,
  freeze: ['user'],
  thaw: ['user'],
  disconnect: ['user'],
  staff: ['user', 'role'],
  'sign-in': [],
  'sign-out': [],
  whoami: [],
  help: [],
} as const satisfies Record<string, readonly string[] | null>

export type Command = keyof typeof commands

/** A path as somebody typed it: from where they stand, and not from the checkout that we run in. */
export function typedPath(path: string): string {
  return resolve(process.env['CALLED_FROM'] ?? '.', path)
}

export const usage = `farthing <command> [<word>…]

  start      everything on this machine: database, auth layer, API, jobs, two demo users
  reload     replace the servers of a running start by new ones, while they serve
  serve      the API alone
  work       jobs alone
  auth       the auth layer alone: sign-in pages and OpenID provider
  migrate    bring the database up to date
  health     <serve|auth>: whether that process, with the same settings, may be sent people
  audit      prove the books; exit code 1 names the rows that are wrong
  jobs       what the queue holds: parked, failed, running, waiting, and why
  retry      <job>: tries a job again, by its number; parked ones by their name, or all
  reseal     seal bank account numbers and secrets of authenticator apps under the first key
  edge-keys  <folder>: what balancers check the signatures of tokens with
  cluster    up, status, stop, start, backup, drill, down: the whole picture on this machine;
             files: the same for hosts of your own
  freeze     <user>: a user may receive, and send nothing, from now on
  thaw       <user>: a frozen user may send again
  disconnect <user>: end all sessions and tokens of a user
  staff      <user> <role>: support, operator or customer, in the built-in directory
  sign-in    sign the command line in, through a browser
  whoami     who is signed in here
  sign-out   end that session
  help       this text

Settings are environment variables: PORT, DATA_DIR, DATABASE_URL, FARTHING_ENV and more: see
README.md.`
