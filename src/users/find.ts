import type { Queryable } from '../db/query.ts'
import type { UserId } from '../ids/ids.ts'
import { loginForm } from './names.ts'
import { readLogin, readUser, readUsers } from './store.ts'
import type { User } from './user.ts'

/** The user, closed ones too; `null` when there is none. */
export async function findUser(db: Queryable, userId: UserId): Promise<User | null> {
  return await readUser(db, userId)
}

/** Those of the users that exist, by id. */
export async function findUsers(
  db: Queryable,
  ids: readonly UserId[],
): Promise<ReadonlyMap<UserId, User>> {
  const users = ids.length === 0 ? [] : await readUsers(db, ids)
  return new Map(users.map((user) => [user.userId, user]))
}

/** Whose e-mail address, phone number or handle this is, in any spelling; `null` for nobody's. */
export async function userByLogin(db: Queryable, login: string): Promise<UserId | null> {
  const form = loginForm(login)
  return form === null ? null : await readLogin(db, form)
}
