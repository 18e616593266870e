import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect, promisify } from 'node:util'
import { createActiveDirectory } from '../../../src/auth/directories/active-directory.ts'
import { newId } from '../../../src/ids/ids.ts'
import { AppError } from '../../../src/errors.ts'
import { systemClock } from '../../../src/time.ts'
import { component } from '../../kit/components.ts'
import { refusedAs } from '../../kit/refused.ts'
import { until } from '../../kit/until.ts'
import { nobodyKnown, other, phrase, signedUp } from './conformance.ts'
import { openDomainPlace } from './domain-place.ts'
import type { DomainPlace } from './domain-place.ts'

const { missing } = component('samba')
const options = missing === null ? {} : { skip: missing }
let place: DomainPlace
if (missing === null) {
  before(async () => {
    place = await openDomainPlace()
  })
  after(async () => await place.close())
}

/** A kept connection that is not answered, then a new one that is not made, then some patience. */
const AWAY_MS = 9_000
/** A kept connection is given up after so long. */
const ANSWER_MS = 5_000
const now = () => systemClock.now()

/** Asserts that work is refused in time because the directory is away, and tells no secret. */
async function away(work: () => Promise<unknown>, withinMs: number): Promise<AppError> {
  const begun = performance.now()
  const error = await work().then(
    () => assert.fail('the directory answered'),
    (thrown: unknown) => thrown,
  )
  const took = performance.now() - begun
  assert(error instanceof AppError && error.code === 'directory_unavailable', inspect(error))
  assert(took < withinMs, `it took ${took} ms`)
  const told = inspect(error, { depth: Infinity, showHidden: true })
  const { config, asAdministrator } = place.domain
  for (const secret of [phrase, other, config.bindPassword, asAdministrator.bindPassword]) {
    assert(!told.includes(secret), 'an error tells a secret')
  }
  return error
}

async function healed(userId: Parameters<DomainPlace['directory']['verify']>[0]): Promise<void> {
  const { directory } = place
  await until('the directory is back', async () => {
    return await directory.verify(userId, phrase).then(
      (verdict) => verdict === 'right',
      () => false,
    )
  })
}

test(
  'stopped, everything is directory_unavailable at once; started, it heals',
  options,
  async () => {
    const { directory, domain } = place
    const userId = await signedUp(place)
    const known = nobodyKnown
    await domain.stop()
    const asked = [
      () => directory.verify(userId, phrase),
      () => directory.verify(null, phrase),
      () => directory.enroll({ userId: newId('user'), password: phrase, known }),
      () => directory.change({ userId, before: phrase, password: other, known, now: now() }),
      () => directory.reset({ userId, password: other, known, now: now() }),
      () => directory.standing(userId),
      () => directory.sweepOrphans(),
    ]
    for (const ask of asked) await away(ask, 1_000)
    await domain.start()
    await healed(userId)
    assert.equal((await directory.standing(userId)).open, true)
  },
)

test('a controller that died without a word is no worse', options, async () => {
  const { directory, domain } = place
  const userId = await signedUp(place)
  await domain.kill()
  await away(() => directory.verify(userId, phrase), 1_000)
  await domain.start()
  await healed(userId)
})

test(
  'a controller that dies and is back between two questions is not noticed',
  options,
  async () => {
    const { directory, domain } = place
    const userId = await signedUp(place)
    await domain.kill()
    await domain.start()
    assert.equal(await directory.verify(userId, phrase), 'right')
  },
)

test('a connection that has ended asks nothing more, least of all as nobody', options, async () => {
  const { domain } = place
  const connection = await domain.administrator()
  const { domainDn } = domain
  await domain.kill()
  await domain.start()
  await until('the end is seen', () => !connection.isOpen())
  const wanted = { attributes: ['minPwdLength'], binary: [] }
  await away(() => connection.read(domainDn, wanted), 1_000)
  await away(() => connection.replace(domainDn, { minPwdLength: '1' }), 1_000)
})

test('one that was deaf for a moment is asked again, on a new connection', options, async () => {
  const { directory, domain } = place
  const userId = await signedUp(place)
  domain.pause()
  const asked = directory.verify(userId, phrase)
  await delay(ANSWER_MS + 700)
  domain.resume()
  assert.equal(await asked, 'right')
})

test('a deaf one keeps nobody longer than its limits, however many ask', options, async () => {
  const { directory, domain } = place
  const userId = await signedUp(place)
  await Promise.all(Array.from({ length: 8 }, () => directory.standing(userId)))
  domain.pause()
  const asked = Array.from({ length: 72 }, () => () => directory.verify(userId, phrase))
  await Promise.all(asked.map((ask) => away(ask, AWAY_MS)))
  domain.resume()
  await healed(userId)
})

test('more than may wait are overloaded at once', options, async () => {
  const { domain } = place
  const directory = place.open({})
  const userId = await signedUp(place)
  domain.pause()
  const asked = Array.from({ length: 80 }, () => directory.verify(userId, phrase))
  const begun = performance.now()
  await Promise.all(asked.slice(72).map((work) => refusedAs('overloaded', work)))
  assert(performance.now() - begun < 1_000)
  await Promise.allSettled(asked)
  domain.resume()
  await healed(userId)
})

/** Listens, takes connections, and says nothing. */
async function silentServer(): Promise<Readonly<{ url: string; close: () => void }>> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)))
  return {
    url: await urlOf(server),
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

async function urlOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `ldaps://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('behind a first controller that is dead or silent the second is asked', options, async (t) => {
  const userId = await signedUp(place)
  const silent = await silentServer()
  t.after(silent.close)
  for (const [first, patience] of [
    ['ldaps://127.0.0.1:1', 1_000],
    [silent.url, 3_000],
  ] as const) {
    const directory = place.open({ urls: [first, ...place.domain.config.urls] })
    const begun = performance.now()
    assert.equal(await directory.verify(userId, phrase), 'right')
    assert(performance.now() - begun < patience)
    const next = performance.now()
    assert.equal(await directory.verify(userId, phrase), 'right')
    assert(performance.now() - next < 1_000, 'the dead one is not asked each time')
  }
})

test('a certificate that nobody we trust has signed gets no password', options, async () => {
  const userId = await signedUp(place)
  const { config } = place.domain
  const parts = { db: place.pool, config, clock: systemClock }
  const binds = await place.domain.binds()
  const directory = createActiveDirectory({ ...parts, ca: null })
  const error = await away(() => directory.verify(userId, phrase), 2_500)
  assert.match(inspect(error, { depth: Infinity }), /UNABLE_TO_VERIFY_LEAF_SIGNATURE/)
  assert.equal(await place.domain.binds(), binds)
})

test('nor does a right certificate at a place that it does not name', options, async (t) => {
  const userId = await signedUp(place)
  const [url = ''] = place.domain.config.urls
  const relay = createServer((socket) => {
    const onward = connect(636, new URL(url).hostname)
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  })
  t.after(() => relay.close())
  const binds = await place.domain.binds()
  const directory = place.open({ urls: [await urlOf(relay)] })
  const error = await away(() => directory.verify(userId, phrase), 2_500)
  assert.match(inspect(error, { depth: Infinity }), /ERR_TLS_CERT_ALTNAME_INVALID/)
  assert.equal(await place.domain.binds(), binds)
})

test('our own password, when it is wrong, is tried once and not told', options, async () => {
  const userId = await signedUp(place)
  const binds = await place.domain.binds()
  const bindPassword = 'not what the service has'
  const directory = place.open({ bindPassword })
  for (let n = 0; n < 5; n++) {
    const error = await away(() => directory.standing(userId), 1_000)
    const told = inspect(error, { depth: Infinity })
    assert.match(told, /refuses the service account, AD_BIND_NAME/)
    assert(!told.includes(bindPassword))
  }
  assert.equal(await place.domain.binds(), binds + 1)
})

test('where the LDAP library would log what it sends, nothing starts', async () => {
  const script = `
    import { createActiveDirectory } from './src/auth/directories/active-directory.ts'
    createActiveDirectory({})`
  const env = { ...process.env, NODE_DEBUG: 'ldapts' }
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env })
  await assert.rejects(run, /StartRefused: NODE_DEBUG=ldapts would write passwords to the log/)
})
