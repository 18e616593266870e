import type { Queryable } from '../../db/query.ts'
import { AppError } from '../../errors.ts'
import { NOBODY } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Directory, Enrolled, Verdict } from '../directory.ts'
import { readCredential, readRoles, rehashCredential, writeCredential } from './store.ts'
import { passwordRefusal } from './password-rules.ts'
import type { Known } from './password-rules.ts'
import type { Passwords } from './passwords.ts'

/** The built-in directory: passwords in the table `credential`, hashed with argon2id. */
export function createBuiltinDirectory(
  parts: Readonly<{ db: Queryable; passwords: Passwords }>,
): Directory {
  const { db, passwords } = parts

  async function verify(userId: UserId | null, password: string): Promise<Verdict> {
    const stored = await readCredential(db, userId ?? NOBODY)
    const right = await passwords.verify(password, stored ?? passwords.dummy)
    if (!right || userId === null || stored === null) return 'wrong'
    if (passwords.needsRehash(stored)) {
      const after = await passwords.hash(password)
      await rehashCredential(db, { userId, before: stored, after })
    }
    return 'right'
  }

  async function seal(password: string, known: Known): Promise<Enrolled> {
    const why = passwordRefusal(password, known)
    if (why !== null) throw new AppError('password_refused', { why })
    return (await passwords.hash(password)) as Enrolled
  }

  return {
    enroll: async ({ password, known }) => await seal(password, known),
    record: async (tx, { userId, enrolled, now }) => {
      await writeCredential(tx, { userId, phc: enrolled, now })
    },
    finish: async () => await Promise.resolve(),
    verify,
    change: async ({ userId, before, password, known, now }) => {
      if ((await verify(userId, before)) !== 'right') return 'wrong'
      await writeCredential(db, { userId, phc: await seal(password, known), now })
      return 'changed'
    },
    reset: async ({ userId, password, known, now }) => {
      if ((await readCredential(db, userId)) === null) throw new AppError('password_managed')
      await writeCredential(db, { userId, phc: await seal(password, known), now })
    },
    standing: async (userId) => ({ open: true, roles: await readRoles(db, userId) }),
  }
}
