import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openDoor, PASSED } from './door.ts'
import type { Door } from './door.ts'

let door: Door
before(async () => {
  door = await openDoor({ quotas: null })
})
after(async () => await door.app.close())

async function codeFor(debitCardId: string | null): Promise<string> {
  const answer = await door.app.inject({
    method: 'PUT',
    url: `/v1/user/${door.me.id}`,
    headers: { authorization: door.me.authorization },
    payload: { debitCardId },
  })
  return answer.json<{ code: string }>().code
}

const cardNumbers = [
  '4242424242424242',
  '4242-4242-4242-4242',
  '4242_4242_4242_4242',
  '4-2-4-2-4-2-4-2-4-2-4-2-4-2-4-2',
  '4242--4242__4242-_4242',
  'pan4242424242424242',
  'card_4242424242424242_visa',
  '0000424242424242424242',
  '123456789012',
]

for (const text of cardNumbers) {
  test(`${text} is a card number, and refused`, async () => {
    assert.equal(await codeFor(text), 'request_invalid')
  })
}

const ids = [
  null,
  'card_8f2e6c',
  'card_1MvoiELkdIwHu7ixOeFGbN9D',
  '3c9bcf9e-51a2-4f0d-9a77-0c2b9e1d4f60',
  '12345678901',
]

for (const id of ids) {
  test(`${id} may be the id of a card`, async () => {
    assert.equal(await codeFor(id), PASSED)
  })
}

test('a text full of dashes is looked at once, not again and again', async () => {
  const started = performance.now()
  assert.equal(await codeFor('1-'.repeat(7_000)), 'request_invalid')
  assert.equal(await codeFor(`1${'-'.repeat(14_000)}`), 'request_invalid')
  assert(performance.now() - started < 500)
})
