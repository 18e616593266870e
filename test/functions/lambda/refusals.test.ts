import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { zipSync } from 'fflate'
import { allowTriggers } from '../../../src/db/citus/distribute.ts'
import { readMailbox } from '../../../src/messages/mailbox.ts'
import { calm, nextCommit } from '../../chaos/kit/proxy.ts'
import { component } from '../../kit/components.ts'
import { startMailServer } from '../../messages/mail-server.ts'
import { countWaiting, until } from '../../kit/until.ts'
import { type LambdaWorld, type LambdaWorldOptions, startLambdaWorld } from './kit.ts'

/**
 * Goal: whatever Lambda answers, a job is done, or tried again, or parked with the reason.
 * Method: the built zip under the official runtime client, invoked by the real dispatcher.
 */
const skip = component('lambda-runtime').missing ?? false

const userId = '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e'
const letter = (body: string) =>
  ({ userId, channel: 'email', recipient: 'ann@example.com', subject: 'Hello', body }) as const
const unknown = { payerId: userId, transactionId: userId } as const

suite('what AWS Lambda refuses', { skip }, () => {
  let world: LambdaWorld
  before(async () => {
    world = await startLambdaWorld({ freezes: true, timeoutMs: 5_000, concurrency: 2 })
  })
  after(async () => await world.end())

  const received = async (body: string): Promise<number> =>
    (await readMailbox(world.pool, 'ann@example.com', 100)).filter((one) => one.body === body)
      .length

  const isInserting = async (): Promise<boolean> =>
    (await countWaiting(world.pool, 'PgSleep', null)) === 1

  test('a throttled job is tried again, and its message is sent once', async () => {
    world.lambda.throttle(1)
    const job = await world.add('send-message', letter('throttled'), 12)
    await world.done(job)
    assert.deepEqual(world.attempts(job), [2], 'the first attempt never came to a function')
    assert.equal(await received('throttled'), 1)
  })

  test('a function that dies when its message is kept keeps it once', async (t) => {
    // The database goes on with an insert whose sender is gone.
    const session = await world.pool.lend()
    t.after(session.destroy)
    await allowTriggers(session)
    await session.query(`create function dawdle() returns trigger language plpgsql as
      $$ begin perform pg_sleep(1); return null; end $$`)
    await session.query(`create trigger dawdle after insert on message
      for each row when (new.body = 'dies') execute function dawdle()`)
    const job = await world.add('send-message', letter('dies'), 12)
    const [running] = await until('it runs', () => {
      const found = world.running('send-message')
      return found.length > 0 && found
    })
    await until('it is inserted', async () => await isInserting())
    running?.environment.kill('SIGKILL')
    await world.done(job)
    assert.deepEqual(world.attempts(job), [1, 2])
    assert.equal(await received('dies'), 1)
  })

  test('a job that the function fails at is tried again, then parked with the reason', async () => {
    const job = await world.add('settle-instruction', unknown, 2)
    const why = await world.parked(job)
    assert.match(why, /^The function failed: Error: a job names transaction .* does not exist$/)
    assert.deepEqual(world.attempts(job), [1, 2])
  })

  test('a payload above six megabytes is parked, and the reason does not repeat it', async () => {
    const job = await world.add('send-message', letter('x'.repeat(6_300_000)), 1)
    assert.match(await world.parked(job), /did not run it: RequestTooLargeException: .{1,80}$/)
  })

  test('the audit finds its queries in the zip', async () => {
    await world.done(await world.add('audit', {}, 1))
  })

  test('a function that slept while its connections died connects anew', async () => {
    await world.done(await world.add('send-message', letter('before'), 1))
    const [before] = world.lambda.environments()
    await world.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'farthing function'`,
    )
    await sleep(3_500)
    await world.done(await world.add('send-message', letter('after'), 1))
    assert.equal(world.lambda.environments()[0]?.pid, before?.pid, 'it is the same process')
    assert.equal(await received('after'), 1)
  })

  test('a function whose network fell silent while it slept connects anew', async () => {
    await world.done(await world.add('send-message', letter('loud'), 1))
    world.proxy.hush()
    await sleep(3_500)
    world.proxy.open()
    await world.done(await world.add('send-message', letter('silent'), 1))
    assert.equal(await received('silent'), 1)
  })

  test('one past its deadline is killed by Lambda, and another one does the job', async () => {
    world.proxy.plan(nextCommit('stall-before', /^select current_setting/i))
    await sleep(3_500) // so that it connects anew, and hangs there
    const job = await world.add('send-message', letter('slow'), 12)
    await world.done(job)
    // On a slow machine the second may be past it, too.
    assert.deepEqual(world.attempts(job).slice(0, 2), [1, 2])
    assert.equal(await received('slow'), 1)
    world.proxy.plan(calm)
  })
})

suite('e-mail from AWS Lambda', { skip }, () => {
  test('what a mail server repeats of a message is in no reason and in no log', async () => {
    const mail = await startMailServer((lines) => `550 ann@example.com: ${lines.at(-1)}`)
    const world = await startLambdaWorld({ settings: { SMTP_URL: mail.url } })
    try {
      const reason = await world.parked(await world.add('send-message', letter('a secret'), 1))
      const told = 'The mail server answered 550 (EMESSAGE, DATA)'
      assert.equal(reason, `The function failed: Error: ${told}`)
      assert(world.lambda.log().includes(told))
      assert(!/ann@example\.com|a secret/.test(world.lambda.log()))
    } finally {
      await world.end()
      await mail.close()
    }
  })

  test('a function that dies at the end of an e-mail sends it again, by the same name', async () => {
    let world: LambdaWorld | null = null
    const mail = await startMailServer(() => {
      if (mail.taken.length > 0) return '250 taken'
      for (const { environment } of world?.running('send-message') ?? []) {
        environment.kill('SIGKILL')
      }
      return '250 taken, and nobody hears it'
    })
    world = await startLambdaWorld({ settings: { SMTP_URL: mail.url } })
    try {
      await world.done(await world.add('send-message', letter('again'), 12))
      const names = mail.taken.map((lines) => lines.find((line) => line.startsWith('Message-ID:')))
      assert.equal(names.length, 2, 'at least once is twice here')
      assert.match(names[0] ?? '', /^Message-ID: <[0-9a-f]{32}@localhost>$/)
      assert.equal(names[0], names[1], 'so that a mailbox can know it again')
    } finally {
      await world.end()
      await mail.close()
    }
  })
})

/** Why a message is parked. */
async function why(options: LambdaWorldOptions): Promise<string> {
  const world = await startLambdaWorld(options)
  try {
    return await world.parked(await world.add('send-message', letter('never'), 1))
  } finally {
    await world.end()
  }
}

suite('functions that cannot be right', { skip }, () => {
  test('a function that cannot start is told of by the reason', async () => {
    const settings = { FARTHING_ENV: 'production' }
    assert.match(await why({ settings }), /^The function failed: .*The configuration is not right/)
  })

  test('another function under the name does not pass for ours', async () => {
    const code = 'export const handler = async () => ({ statusCode: 200, body: "Hello" })'
    const zip = zipSync({ 'function.mjs': new TextEncoder().encode(code) })
    assert.match(await why({ zip }), /did not say that the job is done: is it the right one\?$/)
  })
})
