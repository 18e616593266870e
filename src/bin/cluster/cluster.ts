import { parseArgs } from 'node:util'
import { StartRefused } from '../../errors.ts'
import { typedPath } from '../commands.ts'
import { backUp, drill } from './backup.ts'
import { down } from './down.ts'
import { readSecrets } from './folder.ts'
import { writeHostFiles } from './hosts.ts'
import { type Machine, machineFor } from './machine.ts'
import { allOf } from './places.ts'
import { ask } from './processes/control.ts'
import { type ClusterSettings, readClusterSettings } from '../../cluster-config.ts'
import { lookAt } from './status/look.ts'
import { draw } from './status/picture.ts'
import { up } from './up.ts'

export const clusterUsage = `farthing cluster <what>

  up [--install]    the whole picture on this machine, each process on an address of its own;
                    --install: as root on Debian, installs the packages that are missing
  status [--json]   what is there, and whether money moves
  stop <name>…      ends processes, as server-2, and leaves them down
  start <name>…     runs them again
  backup            a back-up of the database, into the folder
  drill [<time>]    restores the newest back-up beside the cluster, as at that time or the end of
                    the archive, proves the books there, and takes it away
  files <hosts.json> <folder>
                    the files of deploy/ filled for hosts of your own: docs/operate.md
  down [--keep]     ends all, and takes the folder away; --keep: leaves it

Settings: CLUSTER_NET, the network of loopback addresses (127.77.0), and CLUSTER_DIR, the folder.`

const say = (line: string): void => console.log(line)

/** Exit code 2 for words that nobody understands. */
export async function cluster(...words: readonly string[]): Promise<number> {
  const parsed = understood(words)
  if (parsed === null) {
    console.error(clusterUsage)
    return 2
  }
  const { what, names, flags } = parsed
  const settings = readClusterSettings(process.env)
  switch (what) {
    case 'up':
      await up(settings, { install: flags.install === true }, say)
      return 0
    case 'down':
      await down(settings, { keep: flags.keep === true }, say)
      return 0
    case 'status':
      return await status(settings, flags.json === true)
    case 'files':
      for (const host of fill(names)) say(host)
      return 0
    case 'backup':
      await backUp(existing(settings), say)
      return 0
    case 'drill':
      await drill(existing(settings), names[0] ?? null, say)
      return 0
    default:
      await change(settings, what, names)
      return 0
  }
}

function fill([hosts = '', folder = '']: readonly string[]): readonly string[] {
  return writeHostFiles(typedPath(hosts), typedPath(folder))
}

const takes = {
  up: { flag: 'install', names: 'none' },
  down: { flag: 'keep', names: 'none' },
  status: { flag: 'json', names: 'none' },
  backup: { flag: null, names: 'none' },
  drill: { flag: null, names: 'one or none' },
  files: { flag: null, names: 'two' },
  stop: { flag: null, names: 'some' },
  start: { flag: null, names: 'some' },
} as const

const fits: Readonly<Record<'none' | 'some' | 'one or none' | 'two', (count: number) => boolean>> =
  {
    none: (count) => count === 0,
    some: (count) => count > 0,
    'one or none': (count) => count < 2,
    two: (count) => count === 2,
  }

/** Null for words that do not fit together. */
function understood(words: readonly string[]) {
  try {
    const { values: flags, positionals } = parseArgs({
      args: [...words],
      options: {
        install: { type: 'boolean' },
        keep: { type: 'boolean' },
        json: { type: 'boolean' },
      },
      allowPositionals: true,
    })
    const [first = '', ...names] = positionals
    const what = (Object.keys(takes) as (keyof typeof takes)[]).find((one) => one === first)
    if (what === undefined || !fits[takes[what].names](names.length)) return null
    const strange = Object.keys(flags).some((flag) => flag !== takes[what].flag)
    return strange ? null : { what, names, flags }
  } catch {
    return null
  }
}

function existing(settings: ClusterSettings): Machine {
  const secrets = readSecrets(settings.dir)
  if (secrets) return machineFor(settings, secrets)
  throw new StartRefused(
    `There is no cluster in ${settings.dir}: \`farthing cluster up\` makes one.`,
  )
}

/** Exit code 1 while money does not move. */
async function status(settings: ClusterSettings, json: boolean): Promise<number> {
  const sights = await lookAt(existing(settings))
  say(json ? JSON.stringify(sights, null, 2) : draw(sights))
  return sights.writes ? 0 : 1
}

async function change(
  settings: ClusterSettings,
  what: 'start' | 'stop',
  names: readonly string[],
): Promise<void> {
  const known = allOf(existing(settings).places).map(({ name }) => name)
  const strange = names.filter((name) => !known.includes(name))
  if (strange.length > 0) {
    throw new StartRefused(`There is no ${strange.join(', ')}. There are ${known.join(', ')}.`)
  }
  say(`${what === 'stop' ? 'Stopping' : 'Starting'} ${names.join(', ')}.`)
  if ((await ask(settings.dir, { do: what, names })) === null) {
    throw new StartRefused('There is no supervisor: `farthing cluster up` starts one.')
  }
  say(`${what === 'stop' ? 'Down' : 'Started'}: ${names.join(', ')}.`)
}
