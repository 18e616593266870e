import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { StartRefused } from '../../src/errors.ts'
import { readClients } from '../../src/provider/openid/clients.ts'

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-clients-'))
})
after(async () => await rm(dir, { recursive: true }))

async function read(...ids: readonly string[]) {
  const app = { kind: 'app', name: 'An app', scopes: ['user:read'], postLogoutRedirectUris: [] }
  const clients = ids.map((id) => ({ ...app, id, redirectUris: ['https://app.test/back'] }))
  return await readFile(clients)
}

async function readFile(clients: readonly unknown[]) {
  const clientsFile = join(dir, 'clients.json')
  await writeFile(clientsFile, JSON.stringify({ clients }))
  return readClients({ issuer: 'http://auth.test', webUrl: 'http://web.test', clientsFile })
}

test('the file adds to the apps of the house, and its apps are not ours', async () => {
  const clients = await read('shop', 'till')
  assert.deepEqual(
    clients.map(({ id, firstParty }) => [id, firstParty]),
    [
      ['web', true],
      ['account', true],
      ['cli', true],
      ['shop', false],
      ['till', false],
    ],
  )
})

test('no client has the name of another, or of sign-ins at the API', async () => {
  for (const ids of [['web'], ['account'], ['cli'], ['shop', 'shop'], ['password']]) {
    await assert.rejects(read(...ids), StartRefused, ids.join())
  }
})

test('every fault is told, of what the client is meant to be, and no secret', async () => {
  const service = { kind: 'service', id: 'desk', name: 'Desk', scopes: ['staff:read'] }
  const faulty = [
    { ...service, secret: 'too-short' },
    { ...service, secret: 's'.repeat(32), scopes: ['user:reed'] },
    { kind: 'robot' },
  ]
  await assert.rejects(readFile(faulty), (error) => {
    assert(error instanceof StartRefused)
    assert.match(error.message, /client 1: secret must not have fewer than 32 characters;/)
    assert.match(error.message, /client 2: scopes\/0 must be equal to one of the allowed values;/)
    assert.match(error.message, /client 3: kind must be "app" or "service"/)
    assert.doesNotMatch(error.message, /redirectUris|too-short/)
    return true
  })
})
