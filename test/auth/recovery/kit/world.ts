import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { noFactors } from '../../../kit/auth.ts'
import type { SecondFactors } from '../../../../src/auth/factors/second-factors.ts'
import { createBudgets } from '../../../../src/auth/guard/budgets.ts'
import { createMeter } from '../../../../src/auth/guard/meter.ts'
import { createRecorder } from '../../../../src/auth/guard/record.ts'
import { createThrottle } from '../../../../src/auth/guard/throttle.ts'
import type { RecoveryParts } from '../../../../src/auth/recovery/parts.ts'
import { secretMessage } from '../../../../src/auth/recovery/secret-message.ts'
import { inTransaction } from '../../../../src/db/tx.ts'
import { newId } from '../../../../src/ids/ids.ts'
import type { UserId } from '../../../../src/ids/ids.ts'
import type { Jobs } from '../../../../src/queue/jobs.ts'
import { after, MILLISECOND, DAY } from '../../../../src/time.ts'
import type { Micros } from '../../../../src/time.ts'
import { changeProfile } from '../../../../src/users/change-profile.ts'
import { setStatus } from '../../../../src/users/freeze.ts'
import { openUser } from '../../../../src/users/open.ts'
import { markVerified } from '../../../../src/users/store.ts'
import type { User, UserStatus } from '../../../../src/users/user.ts'
import { openAuth } from '../../../kit/auth.ts'
import type { FreshDatabase } from '../../../kit/database.ts'

export const password = 'x7-Kq2wz-correct'
export const other = 'x7-Kq2wz-another'
export const home = { network: '10.0.0.1', device: 'a test', clientId: 'web' } as const
export const authUrl = 'http://auth.test'
const options = { lockTimeoutMs: 5_000 }

/** With both contacts. */
export type Person = User & Readonly<{ email: string; phoneNumber: string }>

function reachable(user: User): Person {
  const { email, phoneNumber } = user
  assert(email !== null && phoneNumber !== null)
  return { ...user, email, phoneNumber }
}

/**
 * Stands for the real second factors where somebody must have one: codes that work once each. Who
 * is not in it has none.
 */
export function codesOf(codes: Map<UserId, Set<string>>): SecondFactors {
  return {
    enrolled: async (userId) =>
      await Promise.resolve({ totp: codes.has(userId), passkeys: 0, recoveryCodes: 0 }),
    useCode: async (userId, code) =>
      await Promise.resolve(codes.get(userId)?.delete(code) === true ? 'otp' : null),
  }
}

export type RecoveryWorld = ReturnType<typeof recoveryWorld>
export type Letter = Jobs['send-message'] & Readonly<{ dueAt: Micros }>

/** The parts of recovery on a database, with a clock of their own. No queue runs: see `letters`. */
export function recoveryWorld(
  { pool }: FreshDatabase,
  start: Micros,
  factors: SecondFactors = noFactors,
) {
  let now = start
  const clock = { now: () => now }
  const digestKey = randomBytes(32)
  const auth = openAuth({ pool, clock, digestKey })
  const { directory, sessions } = auth
  const parts: RecoveryParts = {
    pool,
    clock,
    digestKey,
    directory,
    factors,
    sessions,
    throttle: createThrottle(pool, clock),
    budgets: createBudgets(pool, clock),
    meter: createMeter(pool, clock),
    record: createRecorder(pool, clock),
  }

  /** Somebody whose contacts have been proven for two days. */
  async function someone(): Promise<Person> {
    const user = await unproven()
    await prove(user, after(now, -2n * DAY))
    return user
  }

  async function unproven(): Promise<Person> {
    const userId = newId('user')
    const digits = userId.replaceAll(/\D/g, '').slice(-7).padStart(7, '2')
    const names = { email: `ann.${userId}@example.com`, phoneNumber: `+1415${digits}` }
    const known = { ...names, handle: null }
    const enrolled = await directory.enroll({ userId, password, known })
    return await inTransaction(
      pool,
      async (tx) => {
        await directory.record(tx, { userId, enrolled, now })
        const user = await openUser(tx, { userId, ...names, handle: null, displayName: null, now })
        return { ...user, ...names }
      },
      options,
    )
  }

  async function prove({ userId, email, phoneNumber }: Person, at: Micros): Promise<void> {
    await markVerified(pool, { userId, channel: 'email', recipient: email, now: at })
    await markVerified(pool, { userId, channel: 'phone', recipient: phoneNumber, now: at })
  }

  /** What was to be sent since the last call, as the queue's handlers would say it, and when. */
  async function letters(): Promise<readonly Letter[]> {
    type Row = { name: string; payload: Jobs['send-secret'] & Jobs['send-message']; dueAt: Micros }
    const { rows } = await pool.query<Row>(
      `with taken as (delete from graphile_worker._private_jobs returning *)
       select t.identifier as name, payload, run_at as "dueAt"
       from taken join graphile_worker._private_tasks t on t.id = task_id
       where t.identifier like 'send-%' order by taken.id`,
    )
    const made = rows.map(async ({ name, payload, dueAt }) => {
      const secret = name === 'send-secret'
      const said = secret
        ? await secretMessage({ db: pool, clock, digestKey, authUrl }, payload)
        : payload
      return said && { ...said, dueAt }
    })
    return (await Promise.all(made)).filter((letter) => letter !== null)
  }

  return {
    ...auth,
    parts,
    clock,
    pass: (span: bigint) => {
      now = after(now, span)
    },
    someone,
    unproven,
    prove,
    letters,
    setTo: async ({ userId }: User, status: UserStatus) =>
      await inTransaction(pool, async (tx) => await setStatus(tx, userId, status), options),
    change: async ({ userId }: User, patch: Parameters<typeof changeProfile>[2]) =>
      reachable(
        (
          await inTransaction(
            pool,
            async (tx) => await changeProfile(tx, userId, patch, now),
            options,
          )
        ).user,
      ),
    signIn: async ({ email }: Person, password: string) => {
      // Nobody signs in at the very moment of something else, and least of all of a sign-out.
      now = after(now, MILLISECOND)
      const ask = { login: email, password, code: null }
      return await auth.layer.signIn(ask, { network: '10.0.0.1', device: null })
    },
    events: async ({ userId }: Pick<User, 'userId'>) =>
      (
        await pool.query<{ what: string }>(
          `select concat_ws(' ', kind, outcome, facts ->> 'why') as what from auth_event
           where user_id = $1 order by event_id`,
          [userId],
        )
      ).rows.map(({ what }) => what),
  }
}

/** The token in a letter's link. */
export function tokenIn({ body }: Letter): string {
  return /\?token=([\w-]+)$/m.exec(body)?.[1] ?? ''
}

/** The six digits in a letter. */
export function codeIn({ body }: Letter): string {
  return /\b\d{6}\b/.exec(body)?.[0] ?? ''
}
