import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { migrateQueue } from '../../src/queue/schema.ts'
import {
  CITUS_VARIABLE,
  databaseAt,
  ensureRole,
  makeTemplate,
  nodesOf,
  onEachNode,
  runAt,
} from './citus/cluster.ts'
import { PORTS } from './port.ts'
import { SERVER_VARIABLE, type TestServer } from './server.ts'

/** One server, or one Citus, for the whole run, and in it a migrated database to copy from. */
let teardown: () => Promise<void> = async () => undefined

export async function globalSetup(): Promise<void> {
  const citusUrl = process.env[CITUS_VARIABLE]
  const server = citusUrl ? await onCluster(citusUrl) : await onEmbedded()
  process.env[SERVER_VARIABLE] = JSON.stringify(server)
}

export async function globalTeardown(): Promise<void> {
  await teardown()
}

async function onEmbedded(): Promise<TestServer> {
  const template = 'farthing_template'
  const dir = await mkdtemp(join(tmpdir(), 'farthing-test-'))
  const embedded = await startEmbedded({ dir, settings: { max_connections: '200' } })
  teardown = async () => {
    await embedded.stop()
    await rm(dir, { recursive: true, force: true })
  }
  await makePorts(embedded.superuserUrl)
  await runAt(embedded.superuserUrl, `create database ${template} owner farthing`)
  const url = databaseAt(embedded.url, template)
  await migrate({ url, migrations: await readMigrations(), alongside: migrateQueue })
  const { superuserUrl } = embedded
  return { url: embedded.url, superuserUrl, template, nodes: [superuserUrl] }
}

async function onCluster(citusUrl: string): Promise<TestServer> {
  console.log('Testing on the Citus cluster that CITUS_URL names.')
  // Another run may be under way on the same cluster.
  const template = `farthing_template_${randomBytes(4).toString('hex')}`
  const nodes = await nodesOf(citusUrl)
  const [superuserUrl = ''] = nodes
  teardown = async () => {
    await onEachNode(nodes, `drop database if exists ${template} with (force)`)
  }
  await makePorts(superuserUrl)
  await ensureRole(nodes)
  await makeTemplate(nodes, template)
  const url = new URL(superuserUrl)
  url.username = 'farthing'
  return { url: url.href, superuserUrl, template, nodes }
}

/** Each run begins elsewhere: there may be another one on this machine. */
async function makePorts(superuserUrl: string): Promise<void> {
  const { first, last, sequence } = PORTS
  await runAt(
    superuserUrl,
    `create sequence if not exists ${sequence} minvalue ${first} maxvalue ${last} cycle`,
    `select setval('${sequence}', ${randomInt(first, last)})`,
  )
}
