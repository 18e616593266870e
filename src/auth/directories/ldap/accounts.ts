import { randomInt } from 'node:crypto'
import { EqualityFilter } from 'ldapts'
import type { Entry } from 'ldapts'
import { printId } from '../../../ids/ids.ts'
import type { UserId } from '../../../ids/ids.ts'
import type { Micros } from '../../../time.ts'
import type { Connection } from './connection.ts'
import { parseGuid, printGuid } from './guid.ts'
import { encodePassword } from './typed-password.ts'

/** Bits of userAccountControl. [MS-ADTS] section 2.2.16. */
const DISABLED = 0x2
const NORMAL_ACCOUNT = 0x200

const NAME_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'
/** As long as sAMAccountName may be. 36^20 is 103 bits. */
const NAME_LENGTH = 20

/** Intervals of 100 ns from 1601 to 1970, and what stands for never beside 0. */
const FILETIME_OF_1970 = 116_444_736_000_000_000n
const FILETIME_NEVER = 9_223_372_036_854_775_807n

export type Account = Readonly<{
  dn: string
  /** userAccountControl */
  flags: number
  disabled: boolean
  /** When the account, not its password, ends; null: never. */
  expiresAt: Micros | null
}>

/** Where accounts of customers are, and what stands behind the @ of their names. */
export type Place = Readonly<{ customersDn: string; realm: string }>

/** The name of a new account, or of one that is not there. It tells nothing of anybody. */
export function newAccountName(): string {
  return Array.from({ length: NAME_LENGTH }, randomLetter).join('')
}

function randomLetter(): string {
  return NAME_LETTERS.charAt(randomInt(NAME_LETTERS.length))
}

/** A name holds letters and digits only: nothing in it needs an escape. */
export function dnOf(name: string, { customersDn }: Pick<Place, 'customersDn'>): string {
  return `CN=${name},${customersDn}`
}

/**
 * Creates a disabled account, and gives its objectGUID: names change, and this does not. In its
 * description operators find whose it is.
 */
export async function addAccount(
  connection: Connection,
  place: Place,
  { userId, password }: Readonly<{ userId: UserId; password: string }>,
): Promise<string> {
  const name = newAccountName()
  const dn = dnOf(name, place)
  await connection.add(dn, {
    objectClass: ['top', 'person', 'organizationalPerson', 'user'],
    sAMAccountName: name,
    userPrincipalName: `${name}@${place.realm}`,
    description: printId('user', userId),
    userAccountControl: String(NORMAL_ACCOUNT | DISABLED),
    unicodePwd: encodePassword(password),
  })
  const entry = await connection.read(dn, { attributes: [], binary: ['objectGUID'] })
  return guidOf(entry)
}

export function guidOf(entry: Entry | null): string {
  const guid = entry?.['objectGUID']
  if (!Buffer.isBuffer(guid)) throw new Error('the domain does not show objectGUID of an account')
  return printGuid(guid)
}

/** Null when it is not among the customers: deleted, or moved away. */
export async function findAccount(
  connection: Connection,
  { customersDn }: Pick<Place, 'customersDn'>,
  guid: string,
): Promise<Account | null> {
  const filter = new EqualityFilter({ attribute: 'objectGUID', value: parseGuid(guid) })
  const wanted = { attributes: ['userAccountControl', 'accountExpires'], binary: [] }
  for await (const [entry] of connection.pages(customersDn, filter, wanted)) {
    if (entry) return accountOf(entry)
  }
  return null
}

export function accountOf(entry: Entry): Account {
  const flags = Number(entry['userAccountControl'])
  if (!Number.isInteger(flags)) {
    throw new Error('the domain does not show userAccountControl of an account')
  }
  const disabled = (flags & DISABLED) !== 0
  return { dn: entry.dn, flags, disabled, expiresAt: expiryOf(entry['accountExpires']) }
}

function expiryOf(value: Entry[string] | undefined): Micros | null {
  const filetime = typeof value === 'string' ? BigInt(value) : 0n
  if (filetime === 0n || filetime === FILETIME_NEVER) return null
  return ((filetime - FILETIME_OF_1970) / 10n) as Micros
}

/** Leaves its other flags as they are. */
export async function enableAccount(connection: Connection, account: Account): Promise<void> {
  const userAccountControl = String(account.flags & ~DISABLED)
  await connection.replace(account.dn, { userAccountControl })
}

/** The owner's own change: the domain looks at the password before, too. */
export async function changePassword(
  own: Connection,
  dn: string,
  { before, password }: Readonly<{ before: string; password: string }>,
): Promise<void> {
  await own.swap(dn, 'unicodePwd', encodePassword(before), encodePassword(password))
}

/** Sets a password, whatever it was, and lets in again who was locked out. */
export async function setPassword(
  connection: Connection,
  dn: string,
  password: string,
): Promise<void> {
  await connection.replace(dn, { unicodePwd: encodePassword(password), lockoutTime: '0' })
}
