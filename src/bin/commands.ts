/** Every command, with the words that it takes. */
export const commands = {
  start: [],
  serve: [],
  work: [],
  migrate: [],
  audit: [],
  reseal: [],
  freeze: ['user'],
  thaw: ['user'],
  help: [],
} as const satisfies Record<string, readonly string[]>

export type Command = keyof typeof commands

export const usage = `farthing <command> [<user>]

  start    everything on this machine: database, migrations, API, jobs, two demo users
  serve    the API alone
  work     jobs alone
  migrate  bring the database up to date
  audit    prove the books; exit code 1 names the rows that are wrong
  reseal   seal bank account numbers and secrets of authenticator apps under the first key
  freeze   <user>: a user may receive, and send nothing, from now on
  thaw     <user>: a frozen user may send again
  help     this text

Settings are environment variables: PORT, DATA_DIR, DATABASE_URL, FARTHING_ENV and more: see
README.md.`
