import { readConfig } from '../../config.ts'
import { StartRefused } from '../../errors.ts'
import { usage } from '../commands.ts'
import { endWith } from '../outcome.ts'

// `farthing health <serve|auth>`: whether the process of that command, in the same container or on
// this machine with the same settings, may be sent people. It is asked every few seconds, so it
// begins in a file of its own and loads no more than the configuration.

/** Readiness itself is answered within two seconds. */
const ANSWER_MS = 4_000
const doors = ['serve', 'auth'] as const

const [, ...words] = process.argv.slice(2)
const door = doors.find((known) => words.length === 1 && known === words[0])
if (door === undefined) {
  console.error(`\`farthing health\` takes serve or auth: \`work\` has no door.\n\n${usage}`)
  process.exit(2)
}
await endWith(async () => await ask(door))

async function ask(of: (typeof doors)[number]): Promise<number> {
  const { host, port, auth } = readConfig(process.env)
  const url = `http://${knockAt(host)}:${of === 'serve' ? port : auth.port}/readyz`
  let answer
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS), redirect: 'error' })
  } catch (cause) {
    throw new StartRefused(`Nobody answers at ${url}.`, { cause })
  }
  console.log((await answer.text()).trim())
  return answer.ok ? 0 : 1
}

/** Where to knock, when it listens everywhere. */
function knockAt(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
