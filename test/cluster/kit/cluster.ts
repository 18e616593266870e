import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readSecrets } from '../../../src/bin/cluster/folder.ts'
import { machineFor } from '../../../src/bin/cluster/machine.ts'
import { ask } from '../../../src/bin/cluster/processes/control.ts'
import type { Ask } from '../../../src/bin/cluster/processes/control.ts'
import { lookAt } from '../../../src/bin/cluster/status/look.ts'
import { placesOn, ports } from '../../../src/bin/cluster/places.ts'
import type { Places } from '../../../src/bin/cluster/places.ts'
import { parseEnvironment } from '../../../src/bin/cluster/files/environment.ts'
import type { Sights } from '../../../src/bin/cluster/status/sights.ts'

const program = fileURLToPath(new URL('../../../bin/farthing', import.meta.url))
const COMMAND_MS = 240_000

export type Ended = Readonly<{ code: number; output: string }>

/** A cluster of this test's own, in a network and a folder of its own. */
export type Cluster = Readonly<{
  dir: string
  /** The first three numbers of its addresses. */
  net: string
  places: Places
  /** Of the API, at each balancer. */
  apis: readonly string[]
  /** `farthing cluster <words>`. */
  run: (...words: readonly string[]) => Promise<Ended>
  /** Any other command of Farthing's, with the settings of the first server. */
  farthing: (...words: readonly string[]) => Promise<Ended>
  /** What `farthing cluster status` draws, and what its `stop` and `start` ask. */
  status: () => Promise<Sights>
  ask: (what: Ask) => Promise<unknown>
  /** The ids of a node's Patroni, its PostgreSQL, and its sessions, which would outlive it. */
  pidsOf: (name: string) => Promise<readonly number[]>
}>

export function newCluster(): Cluster {
  const net = `127.${randomInt(100, 250)}.${randomInt(1, 250)}`
  const dir = `/tmp/farthing-cluster-${net}`
  const places = placesOn(net)
  const settings = { CLUSTER_NET: net, CLUSTER_DIR: dir }
  const run = async (...words: readonly string[]): Promise<Ended> =>
    await execute(['cluster', ...words], settings)

  const secrets = () => readSecrets(dir) ?? assert.fail('there is no cluster')
  const status = async () => await lookAt(machineFor({ net, dir }, secrets()))

  return {
    dir,
    net,
    places,
    apis: places.balancer.map(({ address }) => `http://${address}:${ports.api}`),
    run,
    farthing: async (...words) => {
      const file = readFileSync(`${dir}/${places.server[0]?.name}/farthing.env`, 'utf8')
      return await execute(words, parseEnvironment(file))
    },
    status,
    ask: async (what) => await ask(dir, what),
    pidsOf: async (name) => {
      const sight = (await status()).seen.find(({ place }) => place.name === name)
      const lines = readFileSync(`${dir}/${name}/data/postmaster.pid`, 'utf8').split('\n')
      const postmaster = Number(lines[0])
      return [
        sight?.pid ?? assert.fail(`${name} does not run`),
        postmaster,
        ...childrenOf(postmaster),
      ]
    },
  }
}

function childrenOf(pid: number): readonly number[] {
  const tasks = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return tasks.split(' ').filter(Boolean).map(Number)
}

async function execute(
  words: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Ended> {
  const { PATH, HOME } = process.env
  const options = { env: { PATH, HOME, ...settings }, timeout: COMMAND_MS }
  return await new Promise((resolve) => {
    execFile('/bin/sh', [program, ...words], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, output: `${stdout}${stderr}` })
    })
  })
}
