import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { AuthLayer, Place } from '../../src/access/auth-layer.ts'
import { AppError } from '../../src/errors.ts'
import { proxiesIn } from '../../src/network.ts'
import type { Trusts } from '../../src/network.ts'
import { failing, openDoor } from './door.ts'

const away = new AppError('credentials_invalid')

/** The door, and where those who sign in are said to come from. */
async function open(t: TestContext, trusts: Trusts) {
  const places: Place[] = []
  const signIn: AuthLayer['signIn'] = async (_ask, place) => {
    places.push(place)
    return await Promise.reject(away)
  }
  const authLayer: AuthLayer = { ...(failing(away) as AuthLayer), signIn }
  const { app } = await openDoor({ trusts, authLayer })
  t.after(async () => await app.close())
  const ask = async (forwarded: string | null) =>
    await app.inject({
      method: 'POST',
      url: '/v1/session',
      remoteAddress: '10.0.0.7',
      headers: forwarded === null ? {} : { 'x-forwarded-for': forwarded },
      payload: { login: 'a@example.com', password: 'x' },
    })
  const left = async (forwarded: string | null) =>
    Number(/r=(\d+)/.exec(String((await ask(forwarded)).headers['ratelimit']))?.[1])
  return { places, ask, left }
}

test('behind a proxy, the address that it has added is the caller, whatever stands before', async (t) => {
  const { places, ask } = await open(t, () => true)
  await ask('203.0.113.9')
  await ask('6.6.6.6, 203.0.113.9')
  await ask('6.6.6.6, 7.7.7.7,203.0.113.9')
  await ask('203.0.113.9, 2001:db8:1:2:3::1')
  assert.deepEqual(
    places.map(({ network }) => network),
    ['203.0.113.9', '203.0.113.9', '203.0.113.9', '2001:db8:1:2::/64'],
  )
})

test('behind a proxy, each caller has a quota, and inventing addresses gives no other', async (t) => {
  const { left } = await open(t, () => true)
  assert.equal(await left('203.0.113.9'), 119)
  assert.equal(await left('6.6.6.6, 203.0.113.9'), 118)
  assert.equal(await left('203.0.113.10'), 119)
  assert.equal(await left(null), 119, 'the proxy itself, when it asks whether all is well')
})

test('without a proxy, the header says nothing', async (t) => {
  const { places, ask, left } = await open(t, () => false)
  await ask('203.0.113.9')
  assert.equal(await left('203.0.113.10'), 118)
  assert.deepEqual(
    places.map(({ network }) => network),
    ['10.0.0.7', '10.0.0.7'],
  )
})

test('only the proxies that are named are believed', async (t) => {
  const { places, ask } = await open(t, proxiesIn('10.0.0.7') ?? assert.fail())
  await ask('203.0.113.9')
  const { places: others, ask: askOthers } = await open(t, proxiesIn('10.0.0.8') ?? assert.fail())
  await askOthers('203.0.113.9')
  assert.deepEqual(
    [...places, ...others].map(({ network }) => network),
    ['203.0.113.9', '10.0.0.7'],
  )
})

test('proxies are named by addresses and networks', () => {
  const trusts = proxiesIn('10.0.0.7, 10.1.0.0/16,2001:db8::/32') ?? assert.fail()
  const believed = ['10.0.0.7', '::ffff:10.0.0.7', '10.1.2.3', '2001:db8:1::1']
  const strange = ['10.0.0.8', '10.2.0.1', '::1', '2001:db9::1', '', 'nonsense']
  assert.deepEqual(believed.filter(trusts), believed)
  assert.deepEqual(strange.filter(trusts), [])
  for (const text of ['10.0.0', '10.0.0.1/33', '::1/129', 'balancer', '10.0.0.1,,10.0.0.2']) {
    assert.equal(proxiesIn(text), null, text)
  }
})
