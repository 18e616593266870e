import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { ask, fund, signUp, tryMove } from '../chaos/kit/caller.ts'
import type { Caller } from '../chaos/kit/caller.ts'
import { createFarthing } from '../chaos/kit/farthing.ts'
import type { Farthing } from '../chaos/kit/farthing.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { until } from '../kit/until.ts'

let dataDir: string
let database: FreshDatabase
let service: Farthing
let ann: Caller
let bob: Caller
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'farthing-auth-'))
  database = await freshDatabase()
  service = await createFarthing({ DATA_DIR: dataDir, DATABASE_URL: database.url })
  service.start()
  await service.ready()
  ann = await signUp(service.api)
  bob = await signUp(service.api)
  await fund(service.api, ann, 10_000n)
})
after(async () => {
  await service.sigkill()
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

/** The process of the auth layer, which is a child of the service's. */
async function authPid(): Promise<number | null> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,pgid=,args='])
  const rows = stdout.split('\n').map((row) => row.trim().split(/\s+/))
  const own = rows.find(([, group, ...words]) => {
    return group === String(service.pid()) && words.join(' ').endsWith('auth/main.ts auth')
  })
  return own ? Number(own[0]) : null
}

async function signInStatus(): Promise<number> {
  const body = { login: 'nobody@example.com', password: 'no password of anybody' }
  return (await ask(service.api, { method: 'POST', path: '/v1/session', body })).status
}

test('when the auth layer dies, whoever is signed in pays on, and it comes back', async () => {
  const pid = (await authPid()) ?? assert.fail('it runs')
  process.kill(pid, 'SIGKILL')
  await until('its end is told', () => /ended \(SIGKILL\), and is started/.test(service.output()))
  for (let i = 0; i < 20; i += 1) {
    const move = { kind: 'payment', caller: ann, payee: bob.name, cents: 1n } as const
    const heard = await tryMove(service.api, { ...move, key: `meanwhile-${i}` }, 0)
    assert('answer' in heard && heard.answer?.status === 'accepted', 'it is paid at once')
  }
  await until('it signs people in again', async () => (await signInStatus()) === 401)
})

test('one that dies while it starts is started again', async () => {
  for (let i = 0; i < 2; i += 1) {
    const pid = await until('it has a process', async () => await authPid())
    process.kill(pid, 'SIGKILL')
    await until('that one is gone', async () => (await authPid()) !== pid)
  }
  await until('it signs people in again', async () => (await signInStatus()) === 401)
})

test('asked to stop, the service takes it along, and says nothing of a death', async () => {
  const pid = (await authPid()) ?? assert.fail('it runs')
  assert.equal(await service.stop(), 0)
  assert.throws(() => process.kill(pid, 0), /ESRCH/)
  assert.match(service.output().slice(-200), /Stopping\.\s*$/)
})

test('it does not outlive a service that is killed', async () => {
  service.start()
  await service.ready()
  const pid = (await authPid()) ?? assert.fail('it runs')
  process.kill(service.pid(), 'SIGKILL')
  await until('it is gone', () => {
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  })
})
