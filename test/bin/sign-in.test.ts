import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'
import { decodeJwt } from 'jose'
import { ask, moveAsk, userOf } from '../chaos/kit/caller.ts'
import { createFarthing } from '../chaos/kit/farthing.ts'
import type { Farthing } from '../chaos/kit/farthing.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { ownPort } from '../kit/port.ts'
import { until } from '../kit/until.ts'
import { signInOn } from '../provider/kit/app.ts'
import { openVisitor } from '../provider/kit/visitor.ts'
import { openCommandLine, signInThrough, typeCode } from './command-line.ts'
import type { CommandLine, Ended } from './command-line.ts'

/** Whom `farthing start` has made. */
const alice = {
  id: '',
  email: 'alice@example.com',
  phoneNumber: '+12025550101',
  password: 'copper kettle on the hob',
} as const
const commands = ['whoami', 'sign-out'] as const

let dataDir: string
let database: FreshDatabase
let service: Farthing
let issuer: string
let settings: Readonly<Record<string, string>>
/** Of alice, who is signed in. Whoever changes what it keeps puts it back. */
let hers: CommandLine

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'farthing-sign-in-'))
  database = await freshDatabase()
  const authPort = String(await ownPort())
  const own = { DATA_DIR: dataDir, DATABASE_URL: database.url, AUTH_PORT: authPort }
  service = await createFarthing(own)
  service.start()
  await service.ready()
  await until('the demo users are there', () => /alice .*user_/.test(service.output()))
  issuer = `http://localhost:${authPort}`
  settings = { PORT: new URL(service.api).port, AUTH_PORT: authPort }
  hers = await openCommandLine(settings)
  const ended = await signInThrough(hers, issuer, alice)
  assert.equal(ended.code, 0, ended.output)
})
after(async () => {
  await hers.close()
  await service.sigkill()
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

async function lineOf(t: TestContext, more = {}): Promise<CommandLine> {
  const line = await openCommandLine({ ...settings, ...more })
  t.after(line.close)
  return line
}

/** One line on the screen, and no trace of where in the program it was said. */
function said({ code, output }: Ended, words: RegExp): void {
  assert.equal(code, 1, output)
  assert.match(output, words)
  assert.equal(output.trim().split('\n').length, 1, output)
}

const over = /^Your session is over: run `farthing sign-in`\.\n$/

test('a person signs in through a browser, is known, and signs out', async (t) => {
  const line = await lineOf(t)
  const signIn = await signInThrough(line, issuer, alice)
  assert.equal(signIn.code, 0, signIn.output)
  assert(signIn.output.includes(`Open ${issuer}/device in a browser`), signIn.output)
  assert.match(signIn.output, /You are signed in as alice\.\n$/)
  const kept = await line.kept()
  const who = await line.run('whoami')
  assert.deepEqual(who, { code: 0, output: `alice (Alice), ${String(kept['userId'])}\n` })

  await line.rewrite({ expiresAtMs: 0 })
  assert.deepEqual(await line.run('whoami'), who)
  const next = await line.kept()
  assert.notEqual(next['refreshToken'], kept['refreshToken'])
  assert(Number(next['expiresAtMs']) > 0)

  const out = await line.run('sign-out')
  assert.deepEqual(out, { code: 0, output: 'You are signed out.\n' })
  assert.deepEqual(await readdir(dirname(line.file)), [])
  for (const secret of [kept, next].flatMap((one) => [one['accessToken'], one['refreshToken']])) {
    for (const { output } of [signIn, who, out]) assert(!output.includes(String(secret)))
    assert(!service.output().includes(String(secret)))
  }
  for (const command of commands) {
    said(await line.run(command), /^You are not signed in here: run `farthing sign-in`\.\n$/)
  }
  // A copy of the file that somebody made is worth nothing now.
  await writeFile(line.file, JSON.stringify({ ...next, expiresAtMs: 0 }))
  said(await line.run('whoami'), over)
})

test('what is kept is for its owner alone, also when it was refreshed', async () => {
  for (const expiresAtMs of [0, 1]) {
    assert.equal((await stat(hers.file)).mode & 0o777, 0o600)
    assert.equal((await stat(dirname(hers.file))).mode & 0o777, 0o700)
    await hers.rewrite({ expiresAtMs })
    assert.equal((await hers.run('whoami')).code, 0)
  }
})

test('what its owner does not allow leaves nothing behind', async (t) => {
  const line = await lineOf(t)
  const { code, ended } = await line.signIn()
  const visitor = openVisitor(issuer)
  const asked = await typeCode(visitor, issuer, { code, customer: alice })
  await visitor.submit(asked, {}, '/abort')
  const { output, ...rest } = await ended
  assert.deepEqual(rest, { code: 1 })
  assert.match(output, /Waiting …\nIt was not allowed\.\n$/)
  await assert.rejects(stat(line.file), { code: 'ENOENT' })
})

test('a code that nobody typed in time says so', async (t) => {
  const line = await lineOf(t)
  const { ended } = await line.signIn()
  const { rowCount } = await database.pool.query(
    `update oidc_payload set payload = jsonb_set(payload, '{exp}', '1')
     where kind = 'DeviceCode' and payload->>'accountId' is null`,
  )
  assert((rowCount ?? 0) > 0)
  const { code, output } = await ended
  assert.equal(code, 1)
  assert.match(output, /\nThe code has expired: run `farthing sign-in` anew\.\n$/)
})

test('a session that was ended elsewhere is over here', async (t) => {
  const line = await lineOf(t)
  await signInThrough(line, issuer, alice)
  const { sid } = decodeJwt(String((await line.kept())['accessToken']))
  const visitor = openVisitor(issuer)
  const page = await signInOn(visitor, await visitor.open(`${issuer}/account`), alice)
  const done = await visitor.submit(page, { sessionId: String(sid) }, '/account/sessions/end')
  assert.match(done.html, /That session is over/)
  await until('the access token is refused', async () => (await line.run('whoami')).code === 1)
  said(await line.run('whoami'), over)
  await line.rewrite({ expiresAtMs: 0 })
  said(await line.run('whoami'), over)
  assert.equal((await line.run('sign-out')).code, 0)
})

test('a file that is broken is told in a sentence', async () => {
  const kept = await hers.kept()
  for (const text of ['{"issuer":', 'null', JSON.stringify({ issuer })]) {
    await writeFile(hers.file, text)
    for (const command of commands) {
      said(
        await hers.run(command),
        /session\.json cannot be read: run `farthing sign-in` anew\.\n$/,
      )
    }
  }
  await writeFile(hers.file, JSON.stringify(kept))
})

test('tokens of one issuer are shown to no other, not even to end them', async () => {
  await hers.rewrite({ issuer: 'http://localhost:1' })
  for (const command of commands) {
    said(await hers.run(command), /^You are signed in at http:\/\/localhost:1, not at http:.*\n$/)
  }
  await hers.rewrite({ issuer })
  assert.equal((await hers.run('whoami')).code, 0)
})

test('the token that is kept pays', async () => {
  const { accessToken, userId } = await hers.kept()
  const bob = /\bbob .*(user_\w+)/.exec(service.output())?.[1] ?? assert.fail(service.output())
  const [name, token] = [String(userId), String(accessToken)]
  const caller = { userId: userOf(name), name, bank: '', token }
  const move = {
    kind: 'payment',
    caller,
    payee: bob,
    cents: 1n,
    key: 'one-cent-to-bob-once',
  } as const
  const { status, body } = await ask(service.api, moveAsk(move))
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(body['status'], 'accepted')
})

test('where nobody answers it is said in a sentence, and nothing is lost', async (t) => {
  const kept = await hers.kept()
  const away = await lineOf(t, { AUTH_PORT: '1', PORT: '2' })
  const noAuthLayer =
    /^The auth layer at http:\/\/localhost:\d+ does not answer\. AUTH_URL or .*\n$/
  said(await away.run('sign-in'), noAuthLayer)
  const waiting = await (await lineOf(t)).signIn()
  await service.stop()
  const { output } = await waiting.ended
  assert.match(
    output,
    /Waiting …\nThe auth layer at http:\/\/localhost:\d+ does not answer\. .*\n$/,
  )
  said(await hers.run('whoami'), /^The API at http:\/\/localhost:\d+ does not answer\.\n$/)
  said(await hers.run('sign-out'), noAuthLayer)
  await hers.rewrite({ expiresAtMs: 0 })
  said(await hers.run('whoami'), noAuthLayer)
  assert.deepEqual(await hers.kept(), { ...kept, expiresAtMs: 0 })
})
