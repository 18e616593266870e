import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { may, scopeFor } from '../../../src/access/policy.ts'
import { createServer } from '../../../src/http/server.ts'
import { customerScopes, staffScopes } from '../../../src/scopes.ts'
import type { Scope } from '../../../src/scopes.ts'
import { PASSED, openDoor } from '../door.ts'
import type { Door } from '../door.ts'
import { bank, callers, closed, knock, owned, staffed, user } from './walk.ts'
import type { Walked } from './walk.ts'

type Code = Readonly<{ code: string }>

let door: Door
before(async () => {
  door = await openDoor({ quotas: null })
})
after(async () => await door.app.close())

test('the walk passes every route that is not open to anyone', async () => {
  const { paths } = (await door.app.inject('/openapi.json')).json<{
    paths: Record<string, Record<string, { security: object[] }>>
  }>()
  const found = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { security }]) => security.length > 0)
      .map(([method]) => `${method} ${path.replace(/\{(\w+)\}/g, '*')}`.toLowerCase()),
  )
  const walked = closed.map(({ method, url }) =>
    `${method} ${url.replace(/OWNER|BANK|TXN|key$|(?<=contacts\/)\w+/g, '*')}`.toLowerCase(),
  )
  assert.deepEqual([...new Set(walked)].sort(), found.sort())
})

async function ask(walked: Walked, owner: string, authorization?: string) {
  return (await knock(door, walked, owner, authorization)).code
}

test('whoever is signed in gets through to what is their own, on every route', async () => {
  for (const walked of [...owned, ...callers]) {
    assert.ok(may('self', walked.action), walked.action)
    assert.equal(await ask(walked, door.me.id, door.me.authorization), PASSED, walked.url)
  }
})

test('nobody gets through unknown, on any route', async () => {
  for (const walked of closed) {
    assert.equal(may('anyone', walked.action), false, walked.action)
    assert.equal(await ask(walked, door.me.id), 'unauthenticated', walked.url)
    assert.equal(await ask(walked, 'x'), 'unauthenticated', walked.url)
    assert.equal(await ask(walked, door.me.id, 'Bearer x'), 'token_invalid', walked.url)
    assert.equal(await ask(walked, door.me.id, 'Basic YTpi'), 'token_invalid', walked.url)
  }
})

test("another user's id gets exactly what the policy grants a stranger", async () => {
  for (const walked of [...owned, ...staffed]) {
    const expected = may('stranger', walked.action) ? PASSED : 'not_yours'
    assert.equal(await ask(walked, user, door.me.authorization), expected, walked.url)
  }
})

test('without its scope an app gets through nowhere, and is told which it lacks', async () => {
  for (const walked of [...owned, ...callers]) {
    const scope = scopeFor('self', walked.action)
    if (scope === null) continue
    const others = [...customerScopes, ...staffScopes].filter((one) => one !== scope)
    const lacking = await door.tokenFor({ scopes: others })
    const { code, status, ...said } = await knock(door, walked, door.me.id, lacking)
    assert.deepEqual([code, status, said.scope], ['scope_insufficient', 403, scope], walked.url)
    const challenge = `Bearer realm="farthing", error="insufficient_scope", scope="${scope}"`
    assert.equal(said.challenge, challenge)
    const having = await door.tokenFor({ scopes: [scope] })
    const form = walked.action === 'user.change' ? 'scope_insufficient' : PASSED
    assert.equal(await ask(walked, door.me.id, having), form, walked.url)
  }
})

test('each form of a change needs its own scope', async () => {
  const scopes: readonly Scope[] = ['user:write', 'accounts:write']
  const both = await door.tokenFor({ scopes })
  const one = await door.tokenFor({ scopes: ['user:write'] })
  const link = { bankName: 'B', bankAccountNumber: '9500001234', bankRoutingNumber: '222222226' }
  for (const payload of [link, { unlinkBankAccountId: bank }]) {
    for (const [authorization, expected] of [
      [both, PASSED],
      [one, 'scope_insufficient'],
    ] as const) {
      const url = `/v1/user/${door.me.id}`
      const headers = { authorization }
      const answer = await door.app.inject({ method: 'PUT', url, headers, payload })
      assert.equal(answer.json<Code>().code, expected)
    }
  }
})

test('staff and their services act on others as the policy says, with the scope of staff', async () => {
  for (const role of ['support', 'operator'] as const) {
    for (const walked of [...owned, ...staffed]) {
      const granted = may(role, walked.action)
      const open = may('stranger', walked.action)
      const withScopes = await door.tokenFor({ roles: [role], scopes: staffScopes })
      const expected = granted ? PASSED : 'action_forbidden'
      assert.equal(await ask(walked, user, withScopes), expected, `${role} ${walked.url}`)
      const without = await door.tokenFor({ roles: [role], scopes: customerScopes })
      const less = open ? PASSED : granted ? 'scope_insufficient' : 'action_forbidden'
      assert.equal(await ask(walked, user, without), less, `${role} ${walked.url}`)
      const service = await door.serviceToken(['staff:read', 'staff:write'])
      const asOperator = may('operator', walked.action) ? PASSED : 'action_forbidden'
      assert.equal(await ask(walked, user, service), asOperator, `service ${walked.url}`)
    }
  }
})

test('a scope of staff without the role is worth nothing', async () => {
  const token = await door.tokenFor({ scopes: [...customerScopes, ...staffScopes] })
  for (const walked of staffed) assert.equal(await ask(walked, user, token), 'not_yours')
})

test('nobody freezes or thaws themselves, an operator neither', async () => {
  const token = await door.tokenFor({ roles: ['operator'], scopes: staffScopes })
  for (const walked of staffed) {
    assert.equal(await ask(walked, door.me.id, token), 'action_forbidden', walked.url)
  }
})

test('a service has nothing of its own, and no session', async () => {
  const all = await door.serviceToken([...customerScopes, ...staffScopes])
  for (const walked of callers) {
    assert.equal(await ask(walked, user, all), 'action_forbidden', walked.url)
  }
})

test('an id that is none is answered like one that names nobody', async () => {
  for (const walked of [...owned, ...staffed]) {
    for (const id of ['x', bank, user.toUpperCase(), `${user}0`, '%00', '..%2f..']) {
      const code = await ask(walked, id, door.me.authorization)
      assert.equal(code, 'user_unknown', `${walked.url} ${id}`)
    }
  }
})

test('what is open to anyone does not look at tokens, so an expired one harms nobody', async () => {
  const bodies = {
    '/v1/user': { email: 'a@b.example', phoneNumber: '+12025550123', password: 'long enough' },
    '/v1/session': { login: 'a@b.example', password: 'x' },
    '/v1/session/refresh': { refreshToken: 'x' },
  }
  for (const [url, payload] of Object.entries(bodies)) {
    const headers = { authorization: 'Bearer expired' }
    const answer = await door.app.inject({ method: 'POST', url, headers, payload })
    assert.equal(answer.json<Code>().code, PASSED, url)
  }
})

test('a route that names no action does not start', async () => {
  const { app } = await openDoor()
  await app.close()
  assert.throws(() => {
    const bare: ReturnType<typeof createServer> = createServer({
      ...({} as Parameters<typeof createServer>[0]),
      log: app.log,
      readMailbox: null,
    })
    bare.get('/v1/secret', () => 'x')
  }, /names no action/)
})
