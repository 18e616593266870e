import { AppError, StartRefused } from '../errors.ts'
import { audit } from './audit.ts'
import { auth } from './auth/auth.ts'
import { commands, usage } from './commands.ts'
import type { Command } from './commands.ts'
import { disconnect } from './users/disconnect.ts'
import { freeze } from './users/freeze.ts'
import { migrate } from './migrate.ts'
import { signIn, signOut, whoAmI } from './person/sign-in.ts'
import { reseal } from './reseal.ts'
import { serve, work } from './serve-and-work.ts'
import { staff } from './users/staff.ts'
import { start } from './start.ts'

const run: Readonly<Record<Command, (...words: readonly string[]) => Promise<number>>> = {
  start,
  serve,
  work,
  auth,
  migrate,
  audit,
  reseal,
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
if (words.length !== wanted.length) {
  const takes = wanted.length === 0 ? 'no words' : `a ${wanted.join(' and a ')}`
  leave(`\`farthing ${command}\` takes ${takes}.`)
}
try {
  // What a command leaves open, like a half-closed connection, is none of its answer.
  process.exit(await run[command](...words))
} catch (error) {
  if (!(error instanceof StartRefused || error instanceof AppError)) throw error
  console.error(error instanceof StartRefused ? error.message : sentenceFor(error))
  process.exit(1)
}

function leave(why: string): never {
  console.error(`${why}\n\n${usage}`)
  process.exit(2)
}

function sentenceFor({ code, cause }: AppError): string {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  if (code === 'database_unavailable') return `The database cannot be reached${why}.`
  if (code === 'user_unknown') return 'There is no such user.'
  if (code === 'storage_full') return `The database has no room left on its disk${why}.`
  return `It could not be done: ${code}${why}.`
}
