import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, open, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfig } from '../src/config.ts'
import { StartRefused } from '../src/errors.ts'
import { loadKeys } from '../src/keys.ts'
import type { Environment } from '../src/settings.ts'
import { readTokenKeys } from '../src/token-keys.ts'
import { startRefused } from './kit/refused.ts'

/** Nothing that production refuses. */
const production = {
  FARTHING_ENV: 'production',
  KEYS_FILE: '/etc/farthing/keys.json',
  DATABASE_URL: 'postgres://farthing@db.example.com/farthing',
  SMTP_URL: 'smtps://mail.example.com',
  MAIL_FROM: 'Farthing <pay@example.com>',
  PUBLIC_URL: 'https://pay.example.com',
  AUTH_URL: 'https://auth.example.com',
  WEB_URL: 'https://app.example.com',
}

function refused(environment: Environment, words: RegExp): void {
  assert.throws(
    () => readConfig(environment),
    (error) => {
      assert(error instanceof StartRefused)
      assert.match(error.message, words)
      return true
    },
  )
}

test('without a variable it is development, with the limits of the contract', () => {
  const config = readConfig({})
  assert.equal(config.environment, 'development')
  assert.equal(config.port, 8080)
  assert.equal(config.databaseUrl, null)
  assert.equal(config.rail, 'sandbox')
  assert.equal(config.verificationThreshold, 50_000n)
  assert.deepEqual(config.limits, {
    send: { unverified: 29_999n, verified: 700_000n },
    cashOut: { unverified: 99_999n, verified: 1_999_999n },
    bankTransfer: 500_000n,
  })
  assert(Object.isFrozen(config))
})

test('development listens to this machine only', () => {
  assert.equal(readConfig({}).host, '127.0.0.1')
})

test('production starts when it has all it needs', () => {
  const config = readConfig(production)
  assert.equal(config.rail, 'none')
  assert.equal(config.host, '0.0.0.0')
})

for (const [name, change, words] of [
  ['keys', { KEYS_FILE: '' }, /production needs keys of its own/],
  ['a database server', { DATABASE_URL: '' }, /set DATABASE_URL/],
  ['a way to send mail', { SMTP_URL: undefined }, /set SMTP_URL/],
  ['a sender', { MAIL_FROM: undefined }, /MAIL_FROM/],
  ['TLS', { PUBLIC_URL: 'http://pay.example.com' }, /PUBLIC_URL must start with https/],
  ['limits', { LIMITS: 'off' }, /LIMITS=off is for development only/],
  ['rate limits', { RATE_LIMITS: 'off' }, /RATE_LIMITS=off is for development only/],
  ['a real bank', { BANK_RAIL: 'sandbox' }, /BANK_RAIL=sandbox is for development only/],
  ['dear passwords', { ARGON2_MEMORY_KIB: '64' }, /ARGON2_MEMORY_KIB below 19456/],
] as const) {
  test(`production refuses to start without ${name}`, () => {
    refused({ ...production, ...change }, words)
  })
}

for (const [environment, words] of [
  [{ FARTHING_ENV: 'prod' }, /FARTHING_ENV must be development or production, not "prod"/],
  [{ FARTHING_ENVIRONMENT: 'production' }, /there is no setting FARTHING_ENVIRONMENT/],
  [{ PORT: '80a' }, /PORT must be a whole number/],
  [{ PORT: '-1' }, /PORT must be a whole number/],
  [{ PORT: '65536' }, /PORT must be from 0 to 65535/],
  [{ PORT: '7000', OPS_PORT: '7000' }, /both 7000/],
  [{ LIMITS: 'Off' }, /LIMITS must be on or off/],
  [{ LIMIT_SEND_VERIFIED_CENTS: '12.50' }, /LIMIT_SEND_VERIFIED_CENTS must be a whole number/],
  [{ LIMIT_SEND_VERIFIED_CENTS: '9007199254740992' }, /at most 9007199254740991/],
  [{ AUTH_URL: 'https://pay.example.com/auth' }, /AUTH_URL must be an origin/],
  [{ AUTH_BACK_URL: 'http://10.0.0.7:8081/?a' }, /AUTH_BACK_URL must be an origin/],
  [{ AUTH_BACK_URL: 'http://10.0.0.7:8081,http://10.0.0.8:8081/a' }, /AUTH_BACK_URL must be an or/],
  [{ DATABASE_URL: 'mysql://localhost/x' }, /DATABASE_URL must be an address that starts with/],
  [{ KEYS_FILE: 'a', FARTHING_KEYS: '{}' }, /both set/],
] as const) {
  test(`${JSON.stringify(environment)} is refused`, () => refused(environment, words))
}

test('every problem is told at once', () => {
  refused({ PORT: 'x', LIMITS: 'x', FARTHING_X: 'x' }, /PORT.*LIMITS.*FARTHING_X/)
})

test('a password in an address is not repeated', () => {
  assert.throws(
    () => readConfig({ DATABASE_URL: 'mysql://user:secret@localhost/x' }),
    (error: Error) => !error.message.includes('secret'),
  )
})

test('an empty variable is a missing one', () => {
  assert.equal(readConfig({ PORT: '', DATABASE_URL: ' ' }).port, 8080)
})

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-keys-'))
})
after(async () => await rm(dir, { recursive: true }))

test('development makes its keys once, and only its owner reads them', async () => {
  const config = readConfig({ DATA_DIR: join(dir, 'data') })
  const starters = await Promise.all([loadKeys(config), loadKeys(config), loadKeys(config)])
  const [first] = starters
  for (const keys of starters) assert.deepEqual(keys, first)
  assert.deepEqual(await loadKeys(config), first)
  assert.equal((await stat(join(config.dataDir, 'keys.json'))).mode & 0o777, 0o600)
})

test('development makes two keys for tokens: the one that signs, and the next', async () => {
  const { tokenKeys } = await loadKeys(readConfig({ DATA_DIR: join(dir, 'data') }))
  const { signing, publicJwks } = readTokenKeys(tokenKeys)
  assert.deepEqual(
    publicJwks.keys.map(({ kid }) => kid),
    tokenKeys.map(({ kid }) => kid),
  )
  assert.equal(publicJwks.keys.length, 2)
  assert.equal(signing.kid, tokenKeys[0]?.kid)
})

test('the keys that SECURITY.md makes are fit for production, two of them for tokens', async () => {
  const paper = await readFile(new URL('../SECURITY.md', import.meta.url), 'utf8')
  const script = /node -e "\n([^"]+)" > keys\.json/.exec(paper)?.[1]
  assert(script)
  const json = execFileSync(process.execPath, ['--eval', script], { encoding: 'utf8' })
  const config = readConfig({ ...production, KEYS_FILE: '', FARTHING_KEYS: json })
  const { tokenKeys } = await loadKeys(config)
  assert.equal(readTokenKeys(tokenKeys).publicJwks.keys.length, 2)
})

test('keys of a start that made one for tokens go on working', async () => {
  const config = readConfig({ DATA_DIR: join(dir, 'single') })
  const { tokenKeys } = await loadKeys(config)
  const file = join(config.dataDir, 'keys.json')
  const own = JSON.parse(await readFile(file, 'utf8')) as object
  const [first] = tokenKeys
  await writeFile(file, JSON.stringify({ ...own, tokenKeys: [first] }))
  const kept = await loadKeys(config)
  assert.deepEqual(kept.tokenKeys, [first])
  assert.equal(readTokenKeys(kept.tokenKeys).publicJwks.keys.length, 1)
})

test('the keys of development are on disk before anything is sealed with them', async (t) => {
  const dataDir = join(dir, 'flushed')
  const probe = await open(dir)
  const flushes = t.mock.method(Object.getPrototypeOf(probe) as typeof probe, 'sync')
  await probe.close()
  await loadKeys(readConfig({ DATA_DIR: dataDir }))
  assert.equal(flushes.mock.callCount(), 2, 'the file, and the directory that names it')
  assert.deepEqual(await readdir(dataDir), ['keys.json'])
})

test('production refuses keys that a development start made', async () => {
  const config = readConfig({ DATA_DIR: join(dir, 'data') })
  await loadKeys(config)
  const file = join(config.dataDir, 'keys.json')
  await startRefused(loadKeys(readConfig({ ...production, KEYS_FILE: file })), /for development/)
  const json = await readFile(file, 'utf8')
  const inline = { ...production, KEYS_FILE: '', FARTHING_KEYS: json }
  await startRefused(loadKeys(readConfig(inline)), /FARTHING_KEYS were made for development/)
})

test('keys keep their order: the first seals', async () => {
  const config = readConfig({ DATA_DIR: join(dir, 'data') })
  const own = JSON.parse(await readFile(join(config.dataDir, 'keys.json'), 'utf8')) as object
  const key = Buffer.alloc(32, 1).toString('base64')
  const json = JSON.stringify({ ...own, sealKeys: { 'k-2': key, 'k-1': key } })
  const { sealKeys } = await loadKeys(readConfig({ FARTHING_KEYS: json }))
  assert.deepEqual([...sealKeys.keys()], ['k-2', 'k-1'])
})

test('keys that cannot be keys are refused, without a word of them', async () => {
  const config = readConfig({ DATA_DIR: join(dir, 'data') })
  const own = JSON.parse(await readFile(join(config.dataDir, 'keys.json'), 'utf8')) as object
  const short = Buffer.alloc(31, 7).toString('base64')
  for (const [change, words] of [
    [{ sealKeys: {} }, /"sealKeys" .* at least one key/],
    [{ sealKeys: { a: short } }, /seal key "a" .* must be 32 bytes/],
    [{ sealKeys: { '2': Buffer.alloc(32).toString('base64') } }, /needs an id with a letter/],
    [{ digestKey: short }, /digestKey .* must be 32 bytes/],
    [{ tokenKeys: [] }, /"tokenKeys"/],
    [{ tokenKeys: [{ kty: 'EC' }] }, /"tokenKeys"/],
  ] as const) {
    const json = JSON.stringify({ ...own, ...change })
    await startRefused(loadKeys(readConfig({ FARTHING_KEYS: json })), words)
    await assert.rejects(loadKeys(readConfig({ FARTHING_KEYS: json })), (error: Error) => {
      return !error.message.includes(short)
    })
  }
  await startRefused(loadKeys(readConfig({ FARTHING_KEYS: 'not json' })), /are not JSON/)
  await startRefused(loadKeys(readConfig({ KEYS_FILE: join(dir, 'none') })), /cannot be read/)
  await writeFile(join(dir, 'null'), 'null')
  await startRefused(loadKeys(readConfig({ KEYS_FILE: join(dir, 'null') })), /not a JSON object/)
})
