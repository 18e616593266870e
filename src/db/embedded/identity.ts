import { spawn } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { StartRefused } from '../../errors.ts'
import type { Programs } from './programs.ts'

/** As whom PostgreSQL runs. It refuses to run as root. */
export type Identity = Readonly<{
  /** Whose the database's files must be; null when they are our own. */
  owner: Readonly<{ uid: number; gid: number }> | null
  /** Put before every command line. */
  prefix: readonly string[]
}>

/** The users that a system keeps for such work, best first. */
const candidates = ['postgres', 'nobody']

/**
 * As ourselves; or, when we are root, as a user without rights. That user may be unable to reach
 * the programs or the files, as below a home directory that only root may enter: then with the one
 * capability that opens such directories, and no other. Each way is tried before it is chosen.
 *
 * @param dir exists, and is changed to belong to whom PostgreSQL runs as, with all that is in it.
 * @throws StartRefused when no way works; the message tells the way out.
 */
export async function chooseIdentity(programs: Programs, dir: string): Promise<Identity> {
  if (process.getuid?.() !== 0) return { owner: null, prefix: [] }
  const owner = await unprivilegedUser()
  if ((await stat(dir)).uid !== owner.uid) {
    await run(['chown', '-R', `${owner.uid}:${owner.gid}`, dir], {})
  }
  const problems: string[] = []
  for (const prefix of waysToBecome(owner)) {
    const problem = await tryAs(prefix, programs, dir)
    if (problem === null) return { owner, prefix }
    problems.push(problem)
  }
  throw new StartRefused(
    `PostgreSQL does not run as root, and no way to run it as user ${owner.uid} works here ` +
      `(${problems.join('; ')}). Start as another user than root, move the checkout and DATA_DIR ` +
      'to directories that every user may enter, or set DATABASE_URL to a server of your own.',
  )
}

function waysToBecome({ uid, gid }: { uid: number; gid: number }): readonly string[][] {
  const become = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs']
  // PostgreSQL checks with access(2) whether it may run its own program. That call forgets the
  // capabilities of a user other than root, unless this bit is set.
  const keeping = [...become, '--securebits=+no_setuid_fixup']
  return [
    [...become, '--inh-caps=-all', '--bounding-set=-all'],
    [...keeping, ...only('dac_read_search')],
    [...keeping, ...only('dac_override')],
    become, // where even giving up capabilities is forbidden
  ]
}

function only(capability: string): string[] {
  const sets = ['inh-caps', 'ambient-caps', 'bounding-set']
  return sets.map((set) => `--${set}=-all,+${capability}`)
}

const trial = 'cd "$1" && test -w . && test -r "$2" && exec "$3" -V >/dev/null'

async function tryAs(
  prefix: readonly string[],
  programs: Programs,
  dir: string,
): Promise<string | null> {
  const command = [...prefix, 'sh', '-c', trial, 'sh', dir, programs.shared, programs.postgres]
  const { code, output } = await run(command, {})
  return code === 0 ? null : lastLine(output) || `exit code ${code}`
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

/** Runs a short command to its end. Its code is null when it could not be started. */
export async function run(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ code: number | null; output: string }> {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const collect = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  return await new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: null, output: error.message }))
    child.on('close', (code) => resolve({ code, output }))
  })
}

async function unprivilegedUser(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  for (const name of candidates) {
    const [, , uid, gid] = lines.find((fields) => fields[0] === name) ?? []
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new StartRefused(
    'PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run ' +
      'it as. Start as another user than root, or set DATABASE_URL to a server of your own.',
  )
}
