import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Directory, Enrolled } from '../../../src/auth/directory.ts'
import { inTransaction } from '../../../src/db/tx.ts'
import type { Pool } from '../../../src/db/pool.ts'
import { newId } from '../../../src/ids/ids.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import type { StaffRole } from '../../../src/scopes.ts'
import { systemClock } from '../../../src/time.ts'
import { refusedAs } from '../../kit/refused.ts'

/** A directory under test, and what else its tests must do to it. */
export type Place = Readonly<{
  directory: Directory
  pool: Pool
  /** The same directory in another process: it shares nothing but what is stored. */
  restarted: () => Directory
  giveRole: (userId: UserId, role: StaffRole) => Promise<void>
}>

export const nobodyKnown = { email: null, handle: null, phoneNumber: null } as const
export const phrase = 'three pale lanterns drift'
export const other = 'a fourth lantern joins them'
const transaction = { lockTimeoutMs: 2_000 }
const now = () => systemClock.now()

/** A user with that password, up to the point where nothing is left to do. */
export async function signedUp(
  { directory, pool }: Pick<Place, 'directory' | 'pool'>,
  password: string = phrase,
): Promise<UserId> {
  const userId = newId('user')
  const enrolled = await directory.enroll({ userId, password, known: nobodyKnown })
  await recorded(directory, pool, userId, enrolled)
  await directory.finish(userId, now())
  return userId
}

export async function recorded(
  directory: Directory,
  pool: Pool,
  userId: UserId,
  enrolled: Enrolled,
): Promise<void> {
  await inTransaction(
    pool,
    async (tx) => await directory.record(tx, { userId, enrolled, now: now() }),
    transaction,
  )
}

/** What every directory must do: the contract of `src/auth/directory.ts`. */
export function directoryConformance(name: string, place: () => Place): void {
  signingInConforms(name, place)
  strangePasswordsConform(name, place)
  changingConforms(name, place)
  standingConforms(name, place)
}

function signingInConforms(name: string, place: () => Place): void {
  test(`${name}: the password is right, another wrong, also in another process`, async () => {
    const { directory, restarted } = place()
    const userId = await signedUp(place())
    for (const each of [directory, restarted()]) {
      assert.equal(await each.verify(userId, phrase), 'right')
      assert.equal(await each.verify(userId, other), 'wrong')
      assert.equal(await each.verify(userId, phrase.toUpperCase()), 'wrong')
      assert.equal(await each.verify(userId, `${phrase} `), 'wrong')
    }
  })

  test(`${name}: one user's password does not open another`, async () => {
    const [ann, ben] = [await signedUp(place()), await signedUp(place(), other)]
    assert.equal(await place().directory.verify(ann, other), 'wrong')
    assert.equal(await place().directory.verify(ben, phrase), 'wrong')
    assert.equal(await place().directory.verify(ben, other), 'right')
  })

  test(`${name}: nobody and a stranger are wrong, with any password`, async () => {
    const { directory } = place()
    for (const password of ['', phrase, other, '\0']) {
      assert.equal(await directory.verify(null, password), 'wrong')
      assert.equal(await directory.verify(newId('user'), password), 'wrong')
    }
  })

  test(`${name}: who was recorded signs in, though nothing else was finished`, async () => {
    const { directory, pool } = place()
    const userId = newId('user')
    const enrolled = await directory.enroll({ userId, password: phrase, known: nobodyKnown })
    await recorded(directory, pool, userId, enrolled)
    assert.equal((await directory.standing(userId)).open, true)
    assert.equal(await directory.verify(userId, other), 'wrong')
    assert.equal(await directory.verify(userId, phrase), 'right')
    await directory.finish(userId, now())
    await directory.finish(userId, now())
    assert.equal(await directory.verify(userId, phrase), 'right')
  })

  test(`${name}: an enrolment whose transaction fails opens nothing`, async () => {
    const { directory, pool } = place()
    const userId = newId('user')
    const enrolled = await directory.enroll({ userId, password: phrase, known: nobodyKnown })
    const failed = inTransaction(
      pool,
      async (tx) => {
        await directory.record(tx, { userId, enrolled, now: now() })
        throw new Error('the handle is taken')
      },
      transaction,
    )
    await assert.rejects(failed, /handle is taken/)
    assert.equal(await directory.verify(userId, phrase), 'wrong')
    await directory.finish(userId, now())
    assert.equal(await directory.verify(userId, phrase), 'wrong')
  })

  test(`${name}: twenty at once hear what is true`, async () => {
    const userId = await signedUp(place())
    const asked = Array.from({ length: 20 }, async (_, n) => {
      return await place().directory.verify(userId, n % 2 === 0 ? phrase : `${other} ${n}`)
    })
    const heard = await Promise.all(asked)
    // A directory may lock out who is wrong so often, and then says so to anyone.
    assert(heard.every((verdict, n) => verdict !== 'right' || n % 2 === 0))
    assert.equal(heard[0], 'right')
  })
}

const strange = {
  "of one's own alphabet": 'пароль длинный и свой',
  'of fish and flags': '🐟🇳🇿🐟🇳🇿 swimming upstream',
  'that a normal form would change': 'ﬁve ligatures ① and ½',
  'with spaces around it': '   spaces on both sides   ',
  'that looks like a filter': '*)(|(objectClass=*))(&',
  'that looks like a name': 'CN=Administrator,CN=Users',
  'that looks like SQL': `'; drop table credential;--`,
  'of quotes': `"quoted" 'and' \\"escaped\\"`,
  'with a tab and a line end': 'one line\tand\nanother one',
  'of 128 characters': `${'long '.repeat(25)}end`,
  'of 256 characters': `${'0123456789abcde '.repeat(15)}and sixteen more`,
} as const

function strangePasswordsConform(name: string, place: () => Place): void {
  for (const [what, password] of Object.entries(strange)) {
    test(`${name}: a password ${what} is taken as a whole`, async () => {
      const { directory } = place()
      const userId = await signedUp(place(), password)
      assert.equal(await directory.verify(userId, password), 'right')
      assert.equal(await directory.verify(userId, password.slice(0, -1)), 'wrong')
      assert.equal(await directory.verify(userId, `${password}x`), 'wrong')
    })
  }

  test(`${name}: nothing behind or before NUL is overlooked`, async () => {
    const { directory } = place()
    const userId = await signedUp(place())
    for (const guess of [`${phrase}\0`, `${phrase}\0${phrase}`, `\0${phrase}`, '\0']) {
      assert.equal(await directory.verify(userId, guess), 'wrong', JSON.stringify(guess))
    }
  })

  test(`${name}: what is no password is wrong: empty, half a character, endless`, async () => {
    const { directory } = place()
    const userId = await signedUp(place())
    for (const guess of ['', ' ', '\ud83d', `${phrase}\udc1f`, 'x'.repeat(100_000)]) {
      assert.equal(await directory.verify(userId, guess), 'wrong')
      const change = { userId, before: guess, password: other, known: nobodyKnown, now: now() }
      assert.equal(await directory.change(change), 'wrong')
    }
    assert.equal(await directory.verify(userId, phrase), 'right')
  })

  test(`${name}: weak passwords are refused everywhere, with why`, async () => {
    const { directory } = place()
    const userId = await signedUp(place())
    const known = { email: 'ann.lovelace@example.com', handle: 'countess', phoneNumber: null }
    for (const password of [
      '',
      'short',
      'password1234',
      'my farthing box',
      'the countess of 1815',
    ]) {
      const ask = { userId, password, known, now: now() }
      await refusedAs('password_refused', directory.enroll({ ...ask, userId: newId('user') }))
      await refusedAs('password_refused', directory.reset(ask))
      await refusedAs('password_refused', directory.change({ ...ask, before: phrase }))
    }
    await assert.rejects(
      directory.reset({ userId, password: 'my farthing box', known, now: now() }),
      { facts: { why: 'contains the name of this service' } },
    )
    assert.equal(await directory.verify(userId, phrase), 'right')
  })
}

function changingConforms(name: string, place: () => Place): void {
  const change = (userId: UserId, before: string, password: string) =>
    place().directory.change({ userId, before, password, known: nobodyKnown, now: now() })

  test(`${name}: who knows the password changes it, and the one before opens nothing`, async () => {
    const { directory } = place()
    const userId = await signedUp(place())
    assert.equal(await change(userId, phrase, other), 'changed')
    assert.equal(await directory.verify(userId, other), 'right')
    assert.equal(await directory.verify(userId, phrase), 'wrong')
    assert.equal(await change(userId, phrase, 'and a fifth is late'), 'wrong')
    assert.equal(await directory.verify(userId, other), 'right')
  })

  test(`${name}: a wrong one changes nothing, and is told before a weak one`, async () => {
    const { directory } = place()
    const userId = await signedUp(place())
    assert.equal(await change(userId, other, 'and a fifth is late'), 'wrong')
    assert.equal(await change(userId, other, 'short'), 'wrong')
    assert.equal(await change(newId('user'), phrase, other), 'wrong')
    assert.equal(await directory.verify(userId, phrase), 'right')
  })

  test(`${name}: of two changes at once, one holds`, async () => {
    const { directory } = place()
    const userId = await signedUp(place())
    const next = ['the left lantern wins', 'the right lantern wins']
    const heard = await Promise.all(next.map(async (each) => await change(userId, phrase, each)))
    assert(heard.includes('changed'))
    const right = await Promise.all(next.map(async (each) => await directory.verify(userId, each)))
    assert.equal(right.filter((verdict) => verdict === 'right').length, 1)
    assert.equal(await directory.verify(userId, phrase), 'wrong')
  })

  test(`${name}: a reset needs no password, and the one before opens nothing`, async () => {
    const { directory } = place()
    const userId = await signedUp(place())
    await directory.reset({ userId, password: other, known: nobodyKnown, now: now() })
    assert.equal(await directory.verify(userId, other), 'right')
    assert.equal(await directory.verify(userId, phrase), 'wrong')
  })
}

function standingConforms(name: string, place: () => Place): void {
  test(`${name}: a customer is open, and nothing more`, async () => {
    const userId = await signedUp(place())
    assert.deepEqual(await place().directory.standing(userId), { open: true, roles: [] })
  })

  test(`${name}: whoever has no password here is open, too: they sign in some other way`, async () => {
    const standing = await place().directory.standing(newId('user'))
    assert.deepEqual(standing, { open: true, roles: [] })
  })

  test(`${name}: roles are whose they were given to, in order`, async () => {
    const { directory, giveRole } = place()
    const [ann, ben] = [await signedUp(place()), await signedUp(place())]
    await giveRole(ann, 'support')
    assert.deepEqual(await directory.standing(ann), { open: true, roles: ['support'] })
    await giveRole(ann, 'operator')
    assert.deepEqual(await directory.standing(ann), { open: true, roles: ['operator', 'support'] })
    assert.deepEqual(await directory.standing(ben), { open: true, roles: [] })
  })
}
