import { randomInt } from 'node:crypto'
import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'
import { displayNameForm, emailForm, handleForm, handleFrom, phoneForm } from './names.ts'
import { claimNames, insertUser } from './store.ts'
import { nameFields } from './user.ts'
import type { Names, User } from './user.ts'

/** One in a million that a made handle is taken, and then again: more tries would hide a bug. */
const HANDLE_TRIES = 3

export type NewUser = Readonly<{
  userId: UserId
  email: string
  phoneNumber: string
  /** Made from the e-mail address when null. */
  handle: string | null
  /** The handle when null. */
  displayName: string | null
  now: Micros
}>

/** A user with both contacts. */
export type Reachable = User & Readonly<{ email: string; phoneNumber: string }>

/**
 * Opens a user, active and with nothing verified. The caller must let the transaction fail when
 * this throws: names may have been claimed by then.
 *
 * @throws AppError `contact_invalid`, `contact_taken`, both with the field.
 */
export async function openUser(tx: Queryable, ask: NewUser): Promise<Reachable> {
  const email = emailForm(ask.email)
  const phoneNumber = phoneForm(ask.phoneNumber)
  const chosen = ask.handle === null ? null : handleForm(ask.handle)
  const displayName = ask.displayName === null ? null : displayNameForm(ask.displayName)

  const wanted = { email, phoneNumber, ...(chosen !== null && { handle: chosen }) }
  await claimAll(tx, ask.userId, wanted)
  const handle = chosen ?? (await claimMadeHandle(tx, ask.userId, email))
  const user = await insert(tx, ask, { handle, displayName, email, phoneNumber })
  return { ...user, email, phoneNumber }
}

export type NewOutsider = Readonly<{
  userId: UserId
  /** What an outside issuer says: used if it is fit to be, and proven by nothing. */
  email: string | null
  name: string | null
  now: Micros
}>

/**
 * Opens a user whom an outside issuer knows: without a phone number, and without the e-mail address
 * when it is none or another user has it.
 */
export async function openOutsider(tx: Queryable, ask: NewOutsider): Promise<User> {
  const form = ask.email === null ? null : fit(emailForm, ask.email)
  const claimed = form === null ? null : await claimNames(tx, ask.userId, [form])
  const email = form !== null && claimed?.has(form) ? form : null
  const displayName = ask.name === null ? null : fit(displayNameForm, ask.name)
  const handle = await claimMadeHandle(tx, ask.userId, email ?? displayName ?? '')
  return await insert(tx, ask, { handle, displayName, email, phoneNumber: null })
}

/** The normal form; null of what has none. */
function fit(formOf: (text: string) => string, text: string): string | null {
  try {
    return formOf(text)
  } catch (error) {
    if (error instanceof AppError && error.code === 'contact_invalid') return null
    throw error
  }
}

async function insert(
  tx: Queryable,
  { userId, now }: Readonly<{ userId: UserId; now: Micros }>,
  said: Pick<User, 'handle' | 'email' | 'phoneNumber'> & Readonly<{ displayName: string | null }>,
): Promise<User> {
  const user: User = {
    ...said,
    userId,
    displayName: said.displayName ?? said.handle,
    debitCardId: null,
    status: 'active',
    emailVerifiedAt: null,
    emailBefore: null,
    phoneVerifiedAt: null,
    createdAt: now,
  }
  await insertUser(tx, user)
  return user
}

/**
 * Claims names by the field that they stand in.
 *
 * @throws AppError `contact_taken` with the first field whose name another user has.
 */
export async function claimAll(tx: Queryable, userId: UserId, wanted: Names): Promise<void> {
  const names = nameFields.map((field) => wanted[field] ?? [])
  const claimed = await claimNames(tx, userId, names.flat())
  const taken = nameFields.find((field) => wanted[field] && !claimed.has(wanted[field]))
  if (taken) throw new AppError('contact_taken', { field: `/${taken}` })
}

async function claimMadeHandle(tx: Queryable, userId: UserId, email: string): Promise<string> {
  for (let tries = 0; tries < HANDLE_TRIES; tries++) {
    const handle = handleFrom(email, String(randomInt(100_000, 1_000_000)))
    const claimed = await claimNames(tx, userId, [handle])
    if (claimed.has(handle)) return handle
  }
  throw new AppError('contact_taken', { field: '/handle' })
}
