import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { connectRedis } from '../../src/cache/connection.ts'
import type { RedisPlace } from '../../src/cache/connection.ts'
import type { Copies, Place } from '../../src/cache/parts.ts'
import { createRedis } from '../../src/cache/redis.ts'
import { readConfig } from '../../src/config.ts'
import { ownPort } from '../kit/port.ts'
import { until } from '../kit/until.ts'
import { makeCertificates } from './kit/certificates.ts'
import type { Certificates } from './kit/certificates.ts'
import { redis, startRedis } from './kit/redis.ts'
import type { TestRedis } from './kit/redis.ts'

const USER = 'farthing'
/** One as of before copies were read by the clock of Redis. */
const NARROW = 'narrow'
const PASSWORD = 'a secret: of / its ? own'
/** As docs/cache.md says. */
const ALLOWED = [
  '-@all +@connection +info +scan +unlink +evalsha +script|load',
  '+time +get +set +del +exists +mget +mset +incrby',
].join(' ')

let certificates: Certificates
let server: TestRedis
let place: RedisPlace

function epochOn(copies: Copies): Place {
  return { tag: '7-a', reign: copies.reign() ?? assert.fail('it is not connected') }
}

suite('Redis by TLS, as a user of its own', { skip: redis.missing ?? false }, () => {
  before(async () => {
    certificates = await makeCertificates(['127.0.0.1'])
    const { ca, cert, key } = certificates
    const port = await ownPort()
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca]
    const tls = ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no']
    server = await startRedis(...tls)
    const rules = ['on', `>${PASSWORD}`, '~farthing:*', ...ALLOWED.split(' ')]
    await server.ask('ACL', 'SETUSER', USER, ...rules)
    await server.ask('ACL', 'SETUSER', NARROW, ...rules, '-time')
    await server.ask('CONFIG', 'SET', 'port', '0')
    const url = `rediss://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`
    place = { url, sentinels: [], sentinelPassword: null, ca: await readFile(ca, 'utf8') }
  })
  after(async () => {
    await server.stop()
    await certificates.remove()
  })

  test('the user may do all that the protocol does, and the docs name it', async () => {
    const client = createRedis(place)
    await client.start()
    const { copies } = client
    const { fill: keep } = copies
    const at = epochOn(copies)
    const lookBy = async (token: string) => {
      const { ms: sinceMs } = await copies.now()
      return await copies.look({ ...at, sinceMs }, 'user', 'u', token, null)
    }
    const versions = { money: 1n, view: 1n }
    const copyBy = (token: string) =>
      ({ kind: 'user', user: 'u', token, versions, value: 'a copy' }) as const
    await copies.plant(at)
    assert.deepEqual(await lookBy('t'), { is: 'claimed' })
    assert.equal(await keep(at, copyBy('t')), 'filled')
    assert.deepEqual(await lookBy('t'), { is: 'hit', value: 'a copy' })
    assert.equal(await copies.raise(at, [{ user: 'u', money: 2n, view: null }]), 1)
    assert.deepEqual(await lookBy('s'), { is: 'claimed' })
    assert.equal(await keep(at, copyBy('s')), 'refused')
    await copies.sweep({ number: 8n, tag: '8-b' })
    assert.deepEqual(await lookBy('s'), { is: 'lost' })
    await client.stop()
    const docs = await readFile(new URL('../../docs/cache.md', import.meta.url), 'utf8')
    assert(docs.includes(`~farthing:* ${ALLOWED}`))
  })

  test('that a user may not ask for the time is told, when no copy can be read', async () => {
    const client = createRedis({ ...place, url: place.url.replace(USER, NARROW) })
    const told: string[] = []
    const hear = (message: unknown): void => {
      const { event, why } = message as { event: string; why: string }
      told.push(`${event} ${why}`.trim())
    }
    subscribe('farthing:cache.redis', hear)
    try {
      await client.start()
      await until('it is told', async () => {
        await assert.rejects(client.copies.now())
        return told.some((line) => /^silent it does not tell the time: NOPERM.*time/.test(line))
      })
      assert.equal(told[0], 'connected')
    } finally {
      unsubscribe('farthing:cache.redis', hear)
      await client.stop()
    }
  })

  test('a Redis whose certificate nobody signed whom we trust is not spoken to', async () => {
    await assert.rejects(connectRedis({ ...place, ca: null }), /self-signed|unable to verify/i)
  })

  test('a certificate for another host is refused', async () => {
    const url = place.url.replace('127.0.0.1', 'localhost')
    await assert.rejects(connectRedis({ ...place, url }), /altnames/)
  })

  test('a wrong password is refused', async () => {
    const url = place.url.replace(encodeURIComponent(PASSWORD), 'wrong')
    await assert.rejects(connectRedis({ ...place, url }), /WRONGPASS/)
  })

  test('the settings say who signed, or why not', async () => {
    const settings = { REDIS_URL: place.url, REDIS_CA_FILE: certificates.ca }
    assert.equal(readConfig(settings).cache.redis?.ca, place.ca)
    const plain = { ...settings, REDIS_URL: 'redis://127.0.0.1' }
    assert.throws(() => readConfig(plain), /REDIS_CA_FILE needs a REDIS_URL .* rediss:/)
    const nowhere = { ...settings, REDIS_CA_FILE: '/nowhere.pem' }
    assert.throws(() => readConfig(nowhere), /REDIS_CA_FILE \/nowhere.pem cannot be read/)
    const other = `${certificates.ca}.txt`
    await writeFile(other, 'none')
    const none = { ...settings, REDIS_CA_FILE: other }
    assert.throws(() => readConfig(none), /holds no certificate/)
  })
})
