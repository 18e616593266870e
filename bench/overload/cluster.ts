import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { down } from '../../src/bin/cluster/down.ts'
import { claimFolder } from '../../src/bin/cluster/folder.ts'
import { machineFor } from '../../src/bin/cluster/machine.ts'
import type { Machine } from '../../src/bin/cluster/machine.ts'
import { ports } from '../../src/bin/cluster/places.ts'
import type { Kind } from '../../src/bin/cluster/places.ts'
import { lookAt } from '../../src/bin/cluster/status/look.ts'
import { up } from '../../src/bin/cluster/up.ts'
import { readClusterSettings } from '../../src/cluster-config.ts'
import { openPool } from '../../src/db/pool.ts'
import { StartRefused } from '../../src/errors.ts'
import { auditBooks, printFinding } from '../../src/ops/audit.ts'
import { findMissing, restartWith } from '../../test/chaos/cluster/standing.ts'
import { fillPeople } from '../books.ts'
import { withChildren } from '../processes.ts'
import { signIn } from '../sign-in.ts'
import { PEOPLE } from './site.ts'
import type { Site } from './site.ts'

/** Beside one that is in use. */
const unset = { CLUSTER_NET: '127.78.0' }
/** Nobody's own limit shall be met before the machine's. */
const unlimited = { RATE_LIMITS: 'off', LIMITS: 'off' }
const ours: readonly Kind[] = ['auth', 'server', 'worker']
const WHOLE_WITHIN_MS = 90_000
const STATEMENT_TIMEOUT_MS = 300_000

/**
 * `farthing cluster up`, asked through its balancers.
 *
 * @throws StartRefused when its folder is there already: it might be somebody's.
 */
export async function startCluster(say: (line: string) => void): Promise<Site> {
  const settings = readClusterSettings({ ...unset, ...process.env })
  if (existsSync(settings.dir)) {
    throw new StartRefused(`${settings.dir} is there: what is flooded here is taken away after it.`)
  }
  let ending: Promise<void> | null = null
  const end = async (): Promise<void> => {
    ending ??= down(settings, { keep: false }, say)
    await ending
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void end().finally(() => process.exit(1)))
  }
  try {
    await up(settings, { install: process.getuid?.() === 0 }, say)
    const machine = machineFor(settings, claimFolder(settings.dir))
    await restartWith(machine, ours, () => unlimited)
    await untilWhole(machine)
    return await siteOf(machine, end)
  } catch (error) {
    await end()
    throw error
  }
}

async function untilWhole(machine: Machine): Promise<void> {
  const deadline = performance.now() + WHOLE_WITHIN_MS
  for (;;) {
    const missing = await findMissing(machine)
    if (missing === null) return
    if (performance.now() > deadline) throw new Error(`The cluster is not whole: ${missing}.`)
    await sleep(300)
  }
}

async function siteOf(machine: Machine, end: () => Promise<void>): Promise<Site> {
  const { balancer, server, auth } = machine.places
  const { DATABASE_URL: url = '' } = settingsOf(machine, 'server')
  const applicationName = 'bench'
  const pool = openPool({ url, max: 2, statementTimeoutMs: STATEMENT_TIMEOUT_MS, applicationName })
  const people = await fillPeople(pool, PEOPLE)
  const { seen } = await lookAt(machine)
  const kept = seen.flatMap(({ place, pid }) => {
    return [...ours, 'balancer'].includes(place.kind) && pid !== null ? [pid] : []
  })
  return {
    what:
      `\`farthing cluster up\` on one machine: ${balancer.length} balancers, ` +
      `${server.length} servers, ${auth.length} of the auth layer, Redis, and PostgreSQL with two standbys.`,
    command: 'npm run overload:cluster',
    page: 'overload-cluster-results.md',
    target: {
      doors: balancer.map(({ address }) => ({ host: address, port: ports.api })),
      servers: server.map(({ address }) => `http://${address}:${ports.api}`),
      operators: [...server, ...balancer].map(({ address }) => `http://${address}:${ports.ops}`),
      customers: await signIn(settingsOf(machine, 'auth'), people),
      pids: () => kept.flatMap(withChildren),
    },
    pool,
    audit: async (say) => {
      const findings = await auditBooks(pool)
      for (const finding of findings) say(printFinding(finding))
      return findings
    },
    stop: async () => {
      await pool.end()
      await end()
    },
  }
}

function settingsOf({ places, processOf }: Machine, kind: Kind): Readonly<Record<string, string>> {
  const [place] = places[kind]
  if (!place) throw new Error(`a cluster has a ${kind}`)
  return processOf(place).env
}
