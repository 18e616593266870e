import { readFile } from 'node:fs/promises'
import type { Machine } from '../machine.ts'
import { type Place, ports } from '../places.ts'
import { ask } from '../processes/control.ts'
import type { Kept } from '../processes/keeper.ts'
import { isAlive } from '../processes/process.ts'
import type { Pids } from '../processes/supervisor.ts'
import { askHttp, askRedis } from './ask.ts'
import { lookAtDatabases, lookAtEtcd } from './databases.ts'
import { away, type Look, type Sight, sightOf, type Sights } from './sights.ts'

/** Looks at every process of a cluster, and at the whole. */
export async function lookAt(machine: Machine): Promise<Sights> {
  const { places, settings } = machine
  const { dir, net } = settings
  const [asked, written] = await Promise.all([ask(dir, { do: 'list' }), readKept(dir)])
  const kept = asked ?? written
  const keptOf = ({ name }: Place): Kept | undefined => kept.find((one) => one.name === name)
  const look = looker(machine)
  const one = async (place: Place): Promise<Sight> =>
    sightOf(place, await look(place), keptOf(place))
  const databases = await lookAtDatabases(places.postgres)
  const others = await Promise.all(
    [
      places.balancer,
      places.auth,
      places.server,
      places.worker,
      places.redis,
      places.sentinel,
      places.etcd,
    ]
      .flat()
      .map(one),
  )
  const nodes = places.postgres.map((place, index) =>
    sightOf(place, databases.looks[index] ?? away, keptOf(place)),
  )
  const seen = [...others, ...nodes]
  const served = ['balancer', 'server'].every((kind) => {
    return seen.some(({ place, condition }) => place.kind === kind && condition === 'up')
  })
  return {
    net,
    dir,
    supervised: asked !== null,
    writes: databases.writes && served,
    reads: databases.reads && served,
    seen,
  }
}

/** Without a supervisor to ask: what it has written down last, as far as it still runs. */
async function readKept(dir: string): Promise<readonly Kept[]> {
  try {
    const pids = JSON.parse(await readFile(`${dir}/run/pids.json`, 'utf8')) as Pids
    return Object.entries(pids).map(([name, running]) => {
      return { name, wanted: true, running: isAlive(running) ? running : null, restarts: 0 }
    })
  } catch {
    return []
  }
}

function looker({ places, deployment }: Machine): (place: Place) => Promise<Look> {
  const { redis, sentinel } = deployment.secrets
  return async (place) => {
    switch (place.kind) {
      case 'balancer':
        return await lookAtBalancer(place)
      case 'server':
        return await lookAtDoor(place, ports.api)
      case 'auth':
        return await lookAtDoor(place, ports.auth)
      case 'worker':
        return await lookAtDoor(place, ports.workerOps)
      case 'redis':
        return await lookAtRedis(place, redis)
      case 'sentinel':
        return await lookAtSentinel(place, sentinel, places.redis)
      default:
        return await lookAtEtcd(place)
    }
  }
}

/** By its own statistics: how many it would send somebody to. */
async function lookAtBalancer({ address }: Place): Promise<Look> {
  const heard = await askHttp(`http://${address}:${ports.ops}/stats;csv`)
  if (heard === null || typeof heard.body !== 'string') return away
  const rows = heard.body.split('\n').map((line) => line.split(','))
  const status = rows[0]?.indexOf('status') ?? -1
  const serversOf = (backend: string) =>
    rows.filter(([name, server = '']) => name === backend && /-\d+$/.test(server))
  const upOf = (backend: string) =>
    serversOf(backend).filter((row) => row[status]?.startsWith('UP') === true)
  const primary = upOf('primary')[0]?.[1] ?? null
  const count = (backend: string) => `${upOf(backend).length}/${serversOf(backend).length}`
  const whole = primary !== null && upOf('writes').length > 0 && upOf('auth').length > 0
  return {
    condition: whole ? 'up' : 'unwell',
    role: null,
    note: `servers ${count('writes')}, auth ${count('auth')}, ${primary ?? 'no primary'}`,
  }
}

async function lookAtDoor({ address }: Place, port: number): Promise<Look> {
  const heard = await askHttp(`http://${address}:${port}/readyz`)
  if (heard === null) return away
  if (heard.ok) return { condition: 'up', role: null, note: 'ready' }
  const { checks = {} } = heard.body as { checks?: Record<string, string> }
  const wrong = Object.entries(checks).filter(([, state]) => state !== 'ok')
  const note = wrong.map(([name, state]) => `${name}: ${state}`).join(', ')
  return { condition: 'unwell', role: null, note }
}

async function lookAtRedis({ address }: Place, password: string): Promise<Look> {
  const told = await askRedis({ address, port: ports.redis, password }, 'INFO replication')
  if (told === null) return away
  const fact = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(told)?.[1] ?? null
  if (fact('role') === 'master') {
    const replicas = Number(fact('connected_slaves'))
    const note = `master, ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`
    return { condition: 'up', role: 'master', note }
  }
  const inStep = fact('master_link_status') === 'up'
  const note = inStep ? `replica of ${fact('master_host')}` : 'replica, without its master'
  return { condition: inStep ? 'up' : 'unwell', role: 'replica', note }
}

async function lookAtSentinel(
  { address }: Place,
  password: string,
  redis: readonly Place[],
): Promise<Look> {
  const at = { address, port: ports.sentinel, password }
  const told = await askRedis(at, 'SENTINEL get-master-addr-by-name farthing')
  if (told === null) return away
  const master = redis.find((place) => told.includes(`\r\n${place.address}\r\n`))
  if (!master) return { condition: 'unwell', role: null, note: 'knows no master' }
  return { condition: 'up', role: null, note: `says ${master.name}` }
}
