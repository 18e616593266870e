import { randomUUID } from 'node:crypto'
import { debuglog } from 'node:util'
import type { ActiveDirectoryConfig } from '../../auth-config.ts'
import type { Queryable } from '../../db/query.ts'
import { AppError, StartRefused } from '../../errors.ts'
import { NOBODY } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { after, HOUR } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'
import type { Directory, Enrolled, Verdict } from '../directory.ts'
import { createGate } from './gate.ts'
import * as accounts from './ldap/accounts.ts'
import type { Account } from './ldap/accounts.ts'
import type { Connection } from './ldap/connection.ts'
import { createDomain } from './ldap/domain.ts'
import { deleteOrphans, findOrphans } from './ldap/orphans.ts'
import type { Swept } from './ldap/orphans.ts'
import { isAgainstPolicy, isAway, isWrongBefore, verdictOfBind } from './ldap/refused.ts'
import { createRolesOf } from './ldap/roles.ts'
import * as store from './ldap/store.ts'
import type { AccountRow } from './ldap/store.ts'
import { unfitForDomain } from './ldap/typed-password.ts'
import { passwordRefusal } from './password-rules.ts'
import type { Known } from './password-rules.ts'

/** Each asks one controller at a time, on two connections at most. */
const AT_ONCE = 8
/** A password takes some 20 ms: the last in the queue waits for less than a second. */
const WAITING = 64
/** A sign-up is over after seconds: an account that is so old and nobody's stays nobody's. */
const ORPHANED_AFTER = 1n * HOUR

export type ActiveDirectory = Directory &
  Readonly<{
    /** Deletes the accounts of sign-ups that came to nothing, where that is allowed. */
    sweepOrphans: () => Promise<Swept>
    /** Closes the connections that are kept. */
    close: () => void
  }>

export type ActiveDirectoryParts = Readonly<{
  db: Queryable
  config: ActiveDirectoryConfig
  /** The text of the file `config.caFile`. */
  ca: string | null
  clock: Clock
}>

/** What somebody has shown. `own` is a connection that is bound as them, and theirs to close. */
type Shown =
  | Readonly<{ verdict: 'right'; account: Account; own: Connection }>
  | Readonly<{ verdict: 'expired'; account: Account }>
  | Readonly<{ verdict: Exclude<Verdict, 'right' | 'expired'> }>

/** A user's row and account; either may be missing. */
type Found = Readonly<{ row: AccountRow | null; account: Account | null }>

/**
 * Passwords in Active Directory, over LDAPS. A user's account has a random name and is known by its
 * objectGUID, which the table `directory_account` keeps. Who has no row there has no password here.
 *
 * @throws StartRefused when the LDAP library would write what it sends, passwords too, to the log.
 */
export function createActiveDirectory(parts: ActiveDirectoryParts): ActiveDirectory {
  if (debuglog('ldapts').enabled) {
    throw new StartRefused('NODE_DEBUG=ldapts would write passwords to the log. Unset it')
  }
  const { db, config, clock } = parts
  const domain = createDomain({ ...config, ca: parts.ca })
  const gate = createGate({ atOnce: AT_ONCE, waiting: WAITING, rests: 0 })
  const rolesOf = createRolesOf(
    { support: config.supportGroupDn, operator: config.operatorGroupDn },
    clock,
  )

  /** Asks as much for nobody as for anyone. */
  async function find(userId: UserId | null): Promise<Found> {
    const row = await store.readAccount(db, userId ?? NOBODY)
    const guid = row?.guid ?? randomUUID()
    const account = await domain.ask(async (c) => await accounts.findAccount(c, config, guid))
    return { row, account: row && account }
  }

  async function show(userId: UserId | null, password: string): Promise<Shown> {
    if (unfitForDomain(password) !== null) return { verdict: 'wrong' }
    const { row, account } = await find(userId)
    if (!userId || !row || !account) return await showAsNobody(password)
    const shown = await bind(account, password)
    const { verdict } = shown
    if (row.readyAt !== null || verdict === 'wrong' || verdict === 'locked') return shown
    // The sign-up was cut off. The right password proves that it was theirs, and makes it whole.
    if (verdict === 'right') shown.own.close()
    if (verdict === 'disabled') {
      await domain.ask(async (c) => await accounts.enableAccount(c, account))
    }
    await store.markReady(db, userId, clock.now())
    return await bind(account, password)
  }

  async function bind(account: Account, password: string): Promise<Shown> {
    try {
      return { verdict: 'right', account, own: await domain.bind(account.dn, password) }
    } catch (error) {
      return { verdict: verdictOfBind(error), account }
    }
  }

  /** Takes as long as a wrong password: its name is not there. */
  async function showAsNobody(password: string): Promise<Shown> {
    const dn = accounts.dnOf(accounts.newAccountName(), config)
    try {
      const own = await domain.bind(dn, password)
      own.close()
    } catch (error) {
      verdictOfBind(error)
    }
    return { verdict: 'wrong' }
  }

  async function verify(userId: UserId | null, password: string): Promise<Verdict> {
    const shown = await show(userId, password)
    if (shown.verdict === 'right') shown.own.close()
    return shown.verdict
  }

  async function change(ask: Parameters<Directory['change']>[0]) {
    const { before, password, known } = ask
    const shown = await show(ask.userId, before)
    if (shown.verdict !== 'right' && shown.verdict !== 'expired') return shown.verdict
    try {
      refuseUnfit(password, known)
      const { dn } = shown.account
      // Nobody binds with an expired password: we set the next one for who knew it.
      if (shown.verdict === 'expired') await setForGood(dn, password)
      else {
        await accounts.changePassword(shown.own, dn, { before, password })
        await forgetBefore(dn, password)
      }
      return 'changed'
    } catch (error) {
      if (isWrongBefore(error)) return 'wrong'
      throw refusedByPolicy(error)
    } finally {
      if (shown.verdict === 'right') shown.own.close()
    }
  }

  async function setForGood(dn: string, password: string): Promise<void> {
    await domain.ask(async (c) => await accounts.setPassword(c, dn, password))
    await forgetBefore(dn, password)
  }

  /**
   * A domain that keeps a history lets the password before the last one in for another hour, so
   * that who has not heard of a change is not locked out: also a thief. Set once more, the one
   * before is the same. The change holds without it, so an outage here is no failure of the change.
   */
  async function forgetBefore(dn: string, password: string): Promise<void> {
    try {
      await domain.ask(async (c) => await accounts.setPassword(c, dn, password))
    } catch (error) {
      if (!isAway(error)) throw error
    }
  }

  async function enroll(ask: Parameters<Directory['enroll']>[0]): Promise<Enrolled> {
    refuseUnfit(ask.password, ask.known)
    try {
      const guid = await domain.ask(async (c) => await accounts.addAccount(c, config, ask))
      return guid as Enrolled
    } catch (error) {
      throw refusedByPolicy(error)
    }
  }

  async function finish(userId: UserId, now: Micros): Promise<void> {
    const { row, account } = await find(userId)
    if (!row || row.readyAt !== null || !account) return
    if (account.disabled) await domain.ask(async (c) => await accounts.enableAccount(c, account))
    await store.markReady(db, userId, now)
  }

  async function reset(ask: Parameters<Directory['reset']>[0]): Promise<void> {
    refuseUnfit(ask.password, ask.known)
    const { account } = await find(ask.userId)
    if (!account) throw new AppError('password_managed')
    try {
      await setForGood(account.dn, ask.password)
    } catch (error) {
      throw refusedByPolicy(error)
    }
  }

  async function standing(userId: UserId): ReturnType<Directory['standing']> {
    const row = await store.readAccount(db, userId)
    // Whoever never had an account here signs in some other way.
    if (!row) return { open: true, roles: [] }
    return await domain.ask(async (connection) => {
      const account = await accounts.findAccount(connection, config, row.guid)
      if (!account || !isOpen(row, account)) return { open: false, roles: [] }
      return { open: true, roles: await rolesOf(connection, account.dn) }
    })
  }

  /**
   * A lock is no reason to end sessions: any stranger can lock an account, by guessing. Nor is an
   * expired password: it is asked for at the next sign-in. Disabled before it was ever enabled is
   * a sign-up that was cut off.
   */
  function isOpen(row: AccountRow, { disabled, expiresAt }: Account): boolean {
    if (disabled && row.readyAt !== null) return false
    return expiresAt === null || clock.now() < expiresAt
  }

  async function sweepOrphans(): Promise<Swept> {
    const { customersDn } = config
    const before = after(clock.now(), -ORPHANED_AFTER)
    return await domain.ask(
      async (c) => await deleteOrphans(c, await findOrphans(c, db, { customersDn, before })),
    )
  }

  return {
    enroll: async (ask) => await gate(async () => await enroll(ask)),
    record: async (tx, { userId, enrolled, now }) => {
      await store.insertAccount(tx, { userId, guid: enrolled, now })
    },
    finish: async (userId, now) => await gate(async () => await finish(userId, now)),
    verify: async (userId, password) => await gate(async () => await verify(userId, password)),
    change: async (ask) => await gate(async () => await change(ask)),
    reset: async (ask) => await gate(async () => await reset(ask)),
    standing: async (userId) => await gate(async () => await standing(userId)),
    sweepOrphans: async () => await gate(sweepOrphans),
    close: () => domain.close(),
  }
}

/** Our own rules come first: a domain's may be weaker. */
function refuseUnfit(password: string, known: Known): void {
  const why = passwordRefusal(password, known) ?? unfitForDomain(password)
  if (why !== null) throw new AppError('password_refused', { why })
}

/** The domain's rules may be stricter, and it does not say which one it was. */
function refusedByPolicy(error: unknown): unknown {
  if (!isAgainstPolicy(error)) return error
  return new AppError('password_refused', { why: 'is not allowed by the rules of the domain' })
}
