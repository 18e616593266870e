import { AppError, StartRefused } from '../errors.ts'
import { audit } from './audit.ts'
import { commands, usage } from './commands.ts'
import { migrate } from './migrate.ts'
import { reseal } from './reseal.ts'
import { serve } from './serve.ts'
import { start } from './start.ts'
import { work } from './work.ts'

const run: Readonly<Record<(typeof commands)[number], () => Promise<number>>> = {
  start,
  serve,
  work,
  migrate,
  audit,
  reseal,
  help: async () => {
    console.log(usage)
    return 0
  },
}

const [name = 'help', ...rest] = process.argv.slice(2)
const command = commands.find((known) => known === (name === '--help' ? 'help' : name))
if (command === undefined || rest.length > 0) {
  console.error(
    command === undefined ? `There is no command ${name}.\n` : 'Commands take no words.\n',
  )
  console.error(usage)
  process.exit(2)
}
try {
  // What a command leaves open, like a half-closed connection, is none of its answer.
  process.exit(await run[command]())
} catch (error) {
  if (!(error instanceof StartRefused || error instanceof AppError)) throw error
  console.error(error instanceof StartRefused ? error.message : sentenceFor(error))
  process.exit(1)
}

function sentenceFor({ code, cause }: AppError): string {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  if (code === 'database_unavailable') return `The database cannot be reached${why}.`
  if (code === 'storage_full') return `The database has no room left on its disk${why}.`
  return `It could not be done: ${code}${why}.`
}
