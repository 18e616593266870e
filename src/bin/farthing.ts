import { audit } from './audit.ts'
import { cluster } from './cluster/cluster.ts'
import { commands, typedPath, usage } from './commands.ts'
import type { Command } from './commands.ts'
import { edgeKeys } from './edge-keys.ts'
import { disconnect } from './users/disconnect.ts'
import { freeze } from './users/freeze.ts'
import { migrate } from './migrate.ts'
import { endWith } from './outcome.ts'
import { signIn, signOut, whoAmI } from './person/sign-in.ts'
import { reload } from './processes/reload/command.ts'
import { reseal } from './reseal.ts'
import { serve, work } from './serve-and-work.ts'
import { staff } from './users/staff.ts'
import { start } from './start.ts'
import { listJobs, retry } from './work/jobs.ts'

type Run = (...words: readonly string[]) => Promise<number>

const run: Readonly<Record<Exclude<Command, 'auth' | 'health'>, Run>> = {
  start,
  reload,
  serve,
  work,
  migrate,
  audit,
  jobs: listJobs,
  retry: async (job = '') => await retry(job),
  reseal,
  'edge-keys': async (folder = '') => await edgeKeys(typedPath(folder)),
  cluster,
  freeze: async (user = '') => await freeze(user, true),
  thaw: async (user = '') => await freeze(user, false),
  disconnect: async (user = '') => await disconnect(user),
  staff: async (user = '', role = '') => await staff(user, role),
  'sign-in': signIn,
  'sign-out': signOut,
  whoami: whoAmI,
  help: async () => {
    console.log(usage)
    return 0
  },
}

const [name = 'help', ...words] = process.argv.slice(2)
const command = (Object.keys(commands) as Command[]).find((known) => {
  return known === (name === '--help' ? 'help' : name)
})
if (command === undefined) leave(`There is no command ${name}.`)
const wanted = commands[command]
if (wanted !== null && words.length !== wanted.length) {
  const takes = wanted.length === 0 ? 'no words' : `a ${wanted.join(' and a ')}`
  leave(`\`farthing ${command}\` takes ${takes}.`)
}
// bin/farthing starts them from files of their own.
if (command === 'auth' || command === 'health') leave(`\`${command}\` does not begin here.`)
await endWith(async () => await run[command](...words))

function leave(why: string): never {
  console.error(`${why}\n\n${usage}`)
  process.exit(2)
}
