import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createClient } from '@redis/client'
import { redisFiles, sentinelFiles } from '../../src/bin/cluster/files/cache.ts'
import type { Deployment, File } from '../../src/bin/cluster/files/deployment.ts'
import { environmentFiles, parseEnvironment } from '../../src/bin/cluster/files/environment.ts'
import { machineFor } from '../../src/bin/cluster/machine.ts'
import { ports } from '../../src/bin/cluster/places.ts'
import type { Place } from '../../src/bin/cluster/places.ts'
import { newSecrets } from '../../src/bin/cluster/secrets.ts'
import { connectRedis } from '../../src/cache/connection.ts'
import type { RedisPlace } from '../../src/cache/connection.ts'
import { createRedis } from '../../src/cache/redis.ts'
import { readConfig } from '../../src/config.ts'
import { until } from '../kit/until.ts'
import { makeCertificates } from './kit/certificates.ts'
import type { Certificates } from './kit/certificates.ts'
import { redis } from './kit/redis.ts'

/**
 * Goal: the files of deploy/redis, filled for hosts under TLS, make a cache that outlives a master.
 * Method: two Redis and three Sentinels run with them as they stand, on loopback addresses of their
 * own; a process with the settings that are filled for it looks for the master.
 */
const NET = '127.79.0'
const programs = { redis: '/usr/bin/redis-server', sentinel: '/usr/bin/redis-sentinel' } as const
const dir = mkdtempSync(join(tmpdir(), 'farthing-sentinels-'))
const running = new Map<string, ChildProcess>()
let certificates: Certificates
let deployment: Deployment
let settings: RedisPlace

suite('Redis under Sentinels, all by TLS', { skip: redis.missing ?? false }, () => {
  before(async () => {
    const { deployment: plain } = machineFor({ net: NET, dir }, newSecrets())
    const { places } = plain
    const all = [...places.redis, ...places.sentinel]
    certificates = await makeCertificates(all.map(({ address }) => address))
    const { ca, cert, key } = certificates
    // The last two are a balancer's.
    deployment = { ...plain, tls: { ca, cert, key, pair: '', front: '' } }
    settings = settingsOf(deployment)
    for (const place of places.redis) run(place, programs.redis, redisFiles(place, deployment))
    await until('the replica copies its master', async () => {
      return /slave0:[^\\]*state=online/.test(await ask(first(), 'INFO', 'replication'))
    })
    for (const place of places.sentinel) {
      run(place, programs.sentinel, sentinelFiles(place, deployment))
    }
    await until('the Sentinels know each other', async () => {
      const asked = places.sentinel.map(async (place) => {
        return await ask(place, 'SENTINEL', 'CKQUORUM', 'farthing')
      })
      return (await Promise.all(asked)).every((said) => said.includes('OK 3 usable'))
    })
  })
  after(async () => {
    for (const name of running.keys()) await kill(name)
    rmSync(dir, { recursive: true, force: true })
    await certificates.remove()
  })

  test('Sentinels whose certificate nobody signed whom we trust are not believed', async () => {
    const why = /no Sentinel knows the master farthing: .*(?:self-signed|unable to verify)/i
    await assert.rejects(connectRedis({ ...settings, ca: null }), why)
  })

  test('a name that no Sentinel knows is named', async () => {
    const url = settings.url.replace('@farthing', '@other')
    const why = /no Sentinel knows the master other: .*no such name/
    await assert.rejects(connectRedis({ ...settings, url }), why)
  })

  test('when the master dies, a process goes on with the replica that took over', async (t) => {
    const client = createRedis(settings)
    t.after(async () => await client.stop())
    await client.start()
    const before = client.copies.reign() ?? assert.fail('it is not connected')
    assert.equal(await masterNow(), first().address)
    await kill(first().name)
    await until('it is connected to another one', () => {
      return ![before, null].includes(client.copies.reign())
    })
    assert.equal(await masterNow(), deployment.places.redis[1]?.address)
  })
})

function first(): Place {
  return deployment.places.redis[0] ?? assert.fail('a cluster has a Redis')
}

/** As a process of Farthing has them, where its file of settings says all that Redis needs. */
function settingsOf(filled: Deployment): RedisPlace {
  const server = filled.places.server[0] ?? assert.fail('a cluster has a server')
  const more = { REDIS_CA_FILE: certificates.ca }
  const purpose = { environment: 'development', keysFile: '', more } as const
  const text = environmentFiles(server, filled, purpose)[0]?.text ?? ''
  return readConfig(parseEnvironment(text)).cache.redis ?? assert.fail('it has an address')
}

function run({ name }: Place, program: string, files: readonly File[]): void {
  for (const { path, text } of files) {
    mkdirSync(join(dirname(path), 'data'), { recursive: true })
    writeFileSync(path, text)
    running.set(name, spawn(program, [path], { stdio: 'ignore' }))
  }
}

async function kill(name: string): Promise<void> {
  const child = running.get(name)
  running.delete(name)
  if (child?.exitCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function masterNow(): Promise<string> {
  const one = await connectRedis(settings)
  one.destroy()
  return new URL(one.url).hostname
}

/** As JSON; empty when nobody answers. */
async function ask({ kind, address }: Place, ...command: readonly string[]): Promise<string> {
  const { secrets } = deployment
  const [password, port] =
    kind === 'redis' ? [secrets.redis, ports.redis] : [secrets.sentinel, ports.sentinel]
  const url = `rediss://:${password}@${address}:${port}`
  const ca = readFileSync(certificates.ca)
  const client = createClient({ url, RESP: 2, socket: { ca, reconnectStrategy: false } })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return JSON.stringify(await client.sendCommand([...command]))
  } catch {
    return ''
  } finally {
    if (client.isOpen) client.destroy()
  }
}
