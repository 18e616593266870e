import assert from 'node:assert/strict'
import { after as afterAll, before, test } from 'node:test'
import { noFactors } from '../../kit/auth.ts'
import { createBudgets } from '../../../src/auth/guard/budgets.ts'
import { createMeter } from '../../../src/auth/guard/meter.ts'
import { createRecorder } from '../../../src/auth/guard/record.ts'
import { createThrottle } from '../../../src/auth/guard/throttle.ts'
import { createPasswordReset } from '../../../src/auth/recovery/password-reset.ts'
import { readMailbox } from '../../../src/messages/mailbox.ts'
import { addJob } from '../../../src/queue/jobs.ts'
import { findUser } from '../../../src/users/find.ts'
import { here } from '../../kit/auth.ts'
import { startWorld } from '../../kit/world.ts'
import type { World } from '../../kit/world.ts'

const wanted = 'x7-Kq2wz-another'
let world: World

before(async () => {
  world = await startWorld()
})
afterAll(async () => {
  await world.end()
})

function passwordReset() {
  const { pool, parts, auth } = world
  const { clock, digestKey } = parts
  return createPasswordReset({
    pool,
    clock,
    digestKey,
    factors: noFactors,
    directory: auth.directory,
    sessions: auth.sessions,
    throttle: createThrottle(pool, clock),
    budgets: createBudgets(pool, clock),
    meter: createMeter(pool, clock),
    record: createRecorder(pool, clock),
  })
}

test('a forgotten password: the queue mails the link, and the new password signs in', async () => {
  const user = (await findUser(world.pool, await world.person())) ?? assert.fail()
  const reset = passwordReset()
  await reset.ask(user.phoneNumber ?? assert.fail(), { ...here, clientId: null })
  const letter = await world.until(async () => await find('Reset your Farthing password'))
  const token = /^http:\/\/auth\.test\/reset-password\?token=([\w-]{43})$/m.exec(letter.body)?.[1]
  assert(token)
  const whence = { ...here, clientId: null }
  await reset.finish({ token, password: wanted, code: null, whence })
  await world.auth.layer.signIn(
    { login: user.email ?? assert.fail(), password: wanted, code: null },
    here,
  )
  await world.until(async () => await find('Your Farthing password was reset'))

  async function find(subject: string) {
    const letters = await readMailbox(world.pool, user.email, 10)
    return letters.find((one) => one.subject === subject)
  }
})

test('the job erase-auth clears what is over', async () => {
  const { pool } = world
  await pool.query(`insert into auth_ticket (digest, purpose, expires_at)
    values ('\\x01', 'x', now() - interval '2 hours'), ('\\x02', 'x', now() + interval '1 hour')`)
  await addJob(pool, 'erase-auth', {}, {})
  const rows = async () =>
    (await pool.query<{ digest: Buffer }>(`select digest from auth_ticket where purpose = 'x'`))
      .rows
  await world.until(async () => (await rows()).length === 1)
  assert.deepEqual(await rows(), [{ digest: Buffer.from([2]) }])
})
