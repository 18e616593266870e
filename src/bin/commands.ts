export const commands = ['start', 'serve', 'work', 'migrate', 'audit', 'reseal', 'help'] as const

export const usage = `farthing <command>

  start    everything on this machine: database, migrations, API, jobs, two demo users
  serve    the API alone
  work     jobs alone
  migrate  bring the database up to date
  audit    prove the books; exit code 1 names the rows that are wrong
  reseal   seal bank account numbers anew under the first key
  help     this text

Settings are environment variables: PORT, DATA_DIR, DATABASE_URL, FARTHING_ENV and more, see README.md.`
