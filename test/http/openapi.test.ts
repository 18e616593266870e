import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { openDoor } from './door.ts'
import type { Door } from './door.ts'

type Operation = Readonly<{
  operationId: string
  summary: string
  tags: string[]
  security: object[]
  parameters?: { name: string; in: string }[]
  responses: Record<string, { description: string; content?: Record<string, unknown> }>
}>
type Document = Readonly<{
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}>

/** The contract's routes, and those that stand beside them. */
const routes = [
  'POST /v1/user',
  'GET /v1/user',
  'GET /v1/user/{id}',
  'PUT /v1/user/{id}',
  'POST /v1/user/{id}/accounts',
  'DELETE /v1/user/{id}/accounts/{bankId}',
  'POST /v1/user/{id}/accounts/{bankId}/verify',
  'POST /v1/user/{id}/freeze',
  'POST /v1/user/{id}/thaw',
  'POST /v1/user/{id}/contacts/{channel}/code',
  'POST /v1/user/{id}/contacts/{channel}/verify',
  'DELETE /v1/account/{bankId}',
  'GET /v1/bankAccounts/{userId}',
  'GET /v1/bankAccuonts/{userId}',
  'POST /v1/session',
  'POST /v1/session/refresh',
  'POST /v1/session/step-up',
  'DELETE /v1/session',
  'POST /v1/transaction',
  'GET /v1/transactions/{userId}',
  'GET /v1/transaction/{transactionId}',
  'POST /v1/transaction/{transactionId}/verify',
  'GET /v1/request/{idempotencyKey}',
  'GET /',
  'GET /openapi.json',
  'GET /.well-known/jwks.json',
  'GET /healthz',
  'GET /readyz',
  'GET /dev/mailbox',
]

let door: Door
let document: Document
let operations: (Operation & { route: string })[]

before(async () => {
  door = await openDoor()
  document = (await door.app.inject('/openapi.json')).json()
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      return { ...operation, route: `${method.toUpperCase()} ${path}` }
    }),
  )
})
after(async () => await door.app.close())

test('the document is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate(structuredClone(document))
  assert.deepEqual(result.valid ? [] : result.errors, [])
  assert.equal(document.openapi, '3.1.0')
})

test('it holds every route of the contract, and no other', () => {
  assert.deepEqual(operations.map(({ route }) => route).sort(), [...routes].sort())
})

test('every reference leads somewhere', () => {
  const names = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref)
  assert.ok(names.length > 0)
  for (const name of names) {
    const [, schema = ''] = /^#\/components\/schemas\/(\w+)$/.exec(name ?? '') ?? []
    assert.ok(schema in document.components.schemas, name)
  }
})

test('every operation says what it is, who may, and how it can be refused', () => {
  const ids = operations.map(({ operationId }) => operationId)
  assert.equal(new Set(ids).size, ids.length)
  for (const { route, summary, tags, security, responses, operationId } of operations) {
    assert.ok(operationId && summary && tags.length === 1 && Array.isArray(security), route)
    for (const [status, { description, content }] of Object.entries(responses)) {
      assert.notEqual(description, 'Default Response', `${route} ${status}`)
      if (Number(status) < 400 || route === 'GET /readyz') continue
      assert.deepEqual(Object.keys(content ?? {}), ['application/problem+json'], route)
    }
    assert.ok('429' in responses && '500' in responses, route)
    const signsIn = route.startsWith('POST /v1/session')
    assert.equal('401' in responses, security.length > 0 || signsIn, route)
  }
})

test('whatever changes something takes an Idempotency-Key, but for sessions and freezing', () => {
  for (const { route, parameters = [] } of operations) {
    const takes = parameters.some(({ name }) => name === 'Idempotency-Key')
    const without = /^GET|\/v1\/session|\/(freeze|thaw)$/.test(route)
    assert.equal(takes, !without, route)
  }
})

test('production has no mailbox', async () => {
  const { app } = await openDoor({ readMailbox: null })
  assert.equal((await app.inject('/dev/mailbox')).statusCode, 404)
  assert.equal('/dev/mailbox' in (await app.inject('/openapi.json')).json<Document>().paths, false)
  await app.close()
})
