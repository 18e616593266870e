import { type Place, ports } from '../places.ts'
import { askHttp } from './ask.ts'
import { away, type Look } from './sights.ts'

/** What Patroni says of its node. */
type Node = Readonly<{
  state: string
  role: string
  timeline?: number
  xlog?: Readonly<{ location?: number; replayed_location?: number }>
  replication?: readonly Readonly<{
    application_name: string
    state: string
    sync_state: string
  }>[]
}>

const synchronous = 'synchronous standby'

const isPrimary = ({ role, state }: Node): boolean =>
  ['primary', 'master'].includes(role) && state === 'running'

/** Each node by its own word, and who is in step by the primary's. */
export async function lookAtDatabases(
  places: readonly Place[],
): Promise<Readonly<{ looks: readonly Look[]; writes: boolean; reads: boolean }>> {
  const nodes = await Promise.all(places.map(askNode))
  const at = nodes.findIndex((node) => node !== null && isPrimary(node))
  const primary = nodes[at] ?? null
  const looks = places.map(({ name }, index) => lookOf(name, nodes[index] ?? null, primary))
  const waitedFor = at < 0 ? null : await askWaitedFor(places[at] as Place)
  const inStep = places
    .filter((_, index) => looks[index]?.role === synchronous)
    .map(({ name }) => name)
  const writes =
    inStep.length > 0 && waitedFor !== null && waitedFor.every((name) => inStep.includes(name))
  return { looks, reads: primary !== null, writes }
}

/**
 * Whom commits wait for: one that is silent holds all of them up until Patroni leaves it out. Null
 * when the primary does not say.
 */
async function askWaitedFor({ address }: Place): Promise<readonly string[] | null> {
  const heard = await askHttp(`http://${address}:${ports.patroni}/cluster`)
  if (heard?.ok !== true) return null
  const { members } = heard.body as {
    members: readonly Readonly<{ name: string; role: string }>[]
  }
  return members.filter(({ role }) => role === 'sync_standby').map(({ name }) => name)
}

async function askNode({ address }: Place): Promise<Node | null> {
  const heard = await askHttp(`http://${address}:${ports.patroni}/patroni`)
  return heard === null ? null : (heard.body as Node)
}

function lookOf(name: string, node: Node | null, primary: Node | null): Look {
  if (node === null) return away
  if (isPrimary(node)) {
    return { condition: 'up', role: 'primary', note: `primary, timeline ${node.timeline}` }
  }
  const stream = primary?.replication?.find((one) => one.application_name === name)
  if (node.state !== 'running' || stream?.state !== 'streaming') {
    return { condition: 'unwell', role: 'standby', note: `${node.state}, not in step` }
  }
  const sync = ['sync', 'quorum'].includes(stream.sync_state)
  const role = sync ? synchronous : 'standby'
  return { condition: 'up', role, note: `${role}, ${behind(node, primary)} behind` }
}

function behind(node: Node, primary: Node | null): string {
  const lag = (primary?.xlog?.location ?? 0) - (node.xlog?.replayed_location ?? 0)
  return lag < 10_000 ? `${Math.max(0, lag)} B` : `${Math.round(lag / 1_000)} kB`
}

/** Who of them leads, and who has nobody to follow. */
export async function lookAtEtcd({ address }: Place): Promise<Look> {
  const at = `http://${address}:${ports.etcd}`
  const [health, status] = await Promise.all([
    askHttp(`${at}/health`),
    askHttp(`${at}/v3/maintenance/status`, {}),
  ])
  if (health === null) return away
  const { leader, header } = (status?.body ?? {}) as {
    leader?: string
    header?: { member_id?: string }
  }
  const well = health.ok && (health.body as { health?: string }).health === 'true'
  if (!well) return { condition: 'unwell', role: null, note: 'without a quorum' }
  const role = leader === header?.member_id ? 'leader' : 'follower'
  return { condition: 'up', role, note: role }
}
