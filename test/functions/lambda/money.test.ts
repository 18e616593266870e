import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { calm } from '../../chaos/kit/proxy.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { component } from '../../kit/components.ts'
import { until } from '../../kit/until.ts'
import { type LambdaWorld, startLambdaWorld } from './kit.ts'

/**
 * Goal: whatever becomes of a function, money moves once.
 * Method: the built zip under the official runtime client, invoked by the real dispatcher; a proxy
 * between function and database says when it is halfway, and then it is killed, or paused.
 */
const skip = component('lambda-runtime').missing ?? false

suite('money and functions on AWS Lambda', { skip }, () => {
  let world: LambdaWorld
  before(async () => {
    world = await startLambdaWorld({ jobTimeoutMs: 1_000, settleMs: 0 })
  })
  after(async () => await world.end())

  test('people join, link banks and add money, all of it done by warm functions', async () => {
    const ann = await world.rich(100_00n)
    assert.equal(await balanceOf(ann), 100_00n)
    assert(world.lambda.started() <= 4, 'one for each job at once')
    assert(world.lambda.invoked.length > world.lambda.started(), 'they are used again')
    const { rows } = await world.pool.query<{ open: number }>(
      `select count(*)::int as open from pg_stat_activity
       where application_name = 'farthing function' and datname = current_database()`,
    )
    assert((rows[0]?.open ?? 99) <= 2 * world.lambda.started(), 'two connections each')
  })

  for (const fault of ['cut-before', 'cut-after'] as const) {
    test(`a function that dies at COMMIT moves the money once: ${fault}`, async () => {
      const ann = await world.rich(1n)
      const bank = await world.bank(ann)
      const killed: string[] = []
      world.proxy.plan({
        ...calm,
        commit: () => {
          const [first] = world.running('submit-instruction')
          if (!first || killed.length > 0) return null
          killed.push(first.jobId)
          first.environment.kill('SIGKILL')
          return fault
        },
      })
      await world.addMoney(ann, bank, 50_00n)
      const [job = ''] = killed
      await world.done(job)
      assert.deepEqual(world.attempts(job), [1, 2])
      assert.equal(await balanceOf(ann), 50_01n)
    })
  }

  test('a late run beside the second one moves the money once', async () => {
    const ann = await world.rich(1n)
    const bank = await world.bank(ann)
    const paused: ReturnType<typeof world.running>[number][] = []
    world.proxy.plan({
      ...calm,
      commit: () => {
        const [first] = world.running('submit-instruction')
        if (!first || paused.length > 0) return null
        paused.push(first)
        first.environment.kill('SIGSTOP')
        return 'stall-before'
      },
    })
    const adding = world.addMoney(ann, bank, 50_00n)
    const late = await until('it is halfway', () => paused[0])
    // The dispatcher gives up after the job's second and five more, and another function begins.
    await until('it runs again', () => world.attempts(late.jobId).length === 2)
    world.proxy.release()
    late.environment.kill('SIGCONT')
    await adding
    await world.done(late.jobId)
    await until('the first has ended, too', () => late.environment.current() === null)
    assert.equal(await balanceOf(ann), 50_01n)
  })

  async function balanceOf(user: UserId): Promise<bigint> {
    return (await world.payments.ownUser(user, { start: null, end: null })).wallet.balance
  }
})
