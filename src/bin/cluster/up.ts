import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { StartRefused } from '../../errors.ts'
import { askPrimary, makeRepository } from './backup.ts'
import { execute } from './execute.ts'
import { claimFolder, writeFiles } from './folder.ts'
import { type Machine, machineFor } from './machine.ts'
import { allOf, type Kind, listensOn, placesOn, ports } from './places.ts'
import { ask } from './processes/control.ts'
import { allRunningIn } from './processes/process.ts'
import { installPrograms, requirePrograms } from './processes/programs.ts'
import type { ClusterSettings } from '../../cluster-config.ts'
import { startSupervisor } from './processes/summon.ts'
import { lookAt } from './status/look.ts'
import { draw } from './status/picture.ts'
import type { Sights } from './status/sights.ts'
import { claimTurn } from './turn.ts'

const LOOK_MS = 300
const UP_WITHIN_MS = 90_000
const LOG_LINES = 5

const farthing = fileURLToPath(new URL('../../../bin/farthing', import.meta.url))
const roles = fileURLToPath(new URL('../../../deploy/patroni/roles.sql', import.meta.url))

type Say = (line: string) => void

/**
 * Brings the whole up, step by step. What is up already stays as it is, so that it can be asked
 * again after trouble.
 *
 * @throws StartRefused naming the step that failed, and where to read on.
 */
export async function up(
  settings: ClusterSettings,
  options: Readonly<{ install: boolean }>,
  say: Say,
): Promise<void> {
  const { dir } = settings
  if (options.install) await installPrograms(say)
  requirePrograms()
  await refuseTaken(settings)
  const secrets = claimFolder(dir)
  const release = claimTurn(settings)
  try {
    const machine = machineFor(settings, secrets)
    await writeFiles(machine)
    await startSupervisor(dir)
    for (const step of steps(machine)) await take(step, say)
    say('')
    say(draw(await lookAt(machine)))
    say(howToUse(machine))
  } finally {
    release()
  }
}

type Step = Readonly<{ name: string; work: () => Promise<void> }>

async function take({ name, work }: Step, say: Say): Promise<void> {
  const begun = performance.now()
  try {
    await work()
  } catch (error) {
    if (!(error instanceof StartRefused)) throw error
    throw new StartRefused(`${name}: ${error.message}`, { cause: error })
  }
  say(`${name.padEnd(58)} ${((performance.now() - begun) / 1_000).toFixed(1).padStart(5)} s`)
}

function steps(machine: Machine): readonly Step[] {
  const { places, settings } = machine
  const start = async (...kinds: readonly Kind[]): Promise<void> => {
    const names = kinds.flatMap((kind) => places[kind].map(({ name }) => name))
    await ask(settings.dir, { do: 'start', names })
  }
  const untilAll = async (...kinds: readonly Kind[]): Promise<void> =>
    await untilSeen(machine, kinds, ({ seen }) => {
      const theirs = seen.filter(({ place }) => kinds.includes(place.kind))
      return theirs.every(({ condition }) => condition === 'up')
    })
  return [
    {
      name: 'etcd: three that agree',
      work: async () => {
        await start('etcd', 'redis')
        await untilAll('etcd')
      },
    },
    {
      name: 'PostgreSQL: a primary, and a standby that has it all',
      work: async () => {
        await start('postgres', 'balancer')
        await untilSeen(machine, ['postgres'], ({ seen }) => {
          return ['primary', 'synchronous standby'].every((role) => {
            return seen.some((sight) => sight.role === role && sight.condition === 'up')
          })
        })
      },
    },
    { name: 'the role and the database of Farthing', work: async () => await makeRole(machine) },
    { name: 'the archive of WAL', work: async () => await makeRepository(machine) },
    { name: 'migrations, through the balancer', work: async () => await migrate(machine) },
    {
      name: 'Redis: a master, a replica, three Sentinels',
      work: async () => {
        await start('sentinel')
        await untilAll('redis', 'sentinel')
      },
    },
    {
      name: 'the auth layer, servers and workers',
      work: async () => {
        await start('auth', 'server', 'worker')
        await untilAll('auth', 'server', 'worker')
      },
    },
    { name: 'the second standby', work: async () => await untilAll('postgres') },
    {
      name: 'balancers that know all of them',
      work: async () => {
        await untilSeen(machine, ['balancer'], ({ seen }) => {
          const whole = `servers ${places.server.length}/${places.server.length}, auth ${places.auth.length}/${places.auth.length}`
          const balancers = seen.filter(({ place }) => place.kind === 'balancer')
          return balancers.every(({ note }) => note.startsWith(whole))
        })
      },
    },
  ]
}

async function untilSeen(
  machine: Machine,
  kinds: readonly Kind[],
  fact: (sights: Sights) => boolean,
): Promise<void> {
  const end = performance.now() + UP_WITHIN_MS
  for (;;) {
    const sights = await lookAt(machine)
    if (fact(sights)) return
    if (performance.now() > end) throw new StartRefused(whyNot(machine, kinds, sights))
    await sleep(LOOK_MS)
  }
}

function whyNot({ settings }: Machine, kinds: readonly Kind[], { seen }: Sights): string {
  const bad = seen.filter(({ place, condition }) => {
    return kinds.includes(place.kind) && condition !== 'up'
  })
  const lines = bad.flatMap(({ place, note }) => {
    const log = `${settings.dir}/log/${place.name}.log`
    return [`  ${place.name}: ${note}. Its last words in ${log}:`, ...lastLines(log)]
  })
  return [`not within ${UP_WITHIN_MS / 1_000} s.`, ...lines].join('\n')
}

function lastLines(path: string): readonly string[] {
  try {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    return lines.slice(-LOG_LINES).map((line) => `    ${line}`)
  } catch {
    return ['    (nothing)']
  }
}

/** Somebody else's program on an address of ours would be taken for ours. */
async function refuseTaken({ net, dir }: ClusterSettings): Promise<void> {
  if (allRunningIn(dir).length > 0) return
  const wanted = allOf(placesOn(net)).flatMap(listensOn)
  const taken: string[] = []
  for (const { address, port } of wanted) {
    if (!(await isFree(address, port))) taken.push(`${address}:${port}`)
  }
  if (taken.length === 0) return
  throw new StartRefused(
    `Taken by other programs: ${taken.join(', ')}. Set CLUSTER_NET to another network, as ` +
      '127.78.0, or stop them.',
  )
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ host, port }, () => server.close(() => resolve(true)))
  })
}

/** Nobody but its superuser can, and that only by the socket. */
async function makeRole(machine: Machine): Promise<void> {
  await askPrimary(machine, ['-f', roles, 'postgres'])
}

async function migrate(machine: Machine): Promise<void> {
  const [server] = machine.places.server
  if (server) await execute(['/bin/sh', farthing, 'migrate'], machine.processOf(server).env)
}

function howToUse({ places, settings, deployment }: Machine): string {
  const [first, second] = places.balancer
  const variables = ['CLUSTER_NET', 'CLUSTER_DIR'].filter((name) => process.env[name])
  const prefix = variables.map((name) => `${name}=${process.env[name]} `).join('')
  const env = `${settings.dir}/${places.server[0]?.name}/farthing.env`
  return [
    '',
    `API        http://${first?.address}:${ports.api} and http://${second?.address}:${ports.api}`,
    `Reference  ${deployment.publicUrl}/docs`,
    `Sign-in    ${deployment.authUrl}/account`,
    `Mailbox    ${deployment.publicUrl}/dev/mailbox`,
    `Balancers  http://${first?.address}:${ports.ops}/stats`,
    `Commands   (set -a; . ${env}; npx farthing audit)`,
    `Look       ${prefix}npx farthing cluster status`,
    `End        ${prefix}npx farthing cluster down`,
  ].join('\n')
}
