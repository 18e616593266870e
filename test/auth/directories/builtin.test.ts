import { after, before } from 'node:test'
import { createBuiltinDirectory } from '../../../src/auth/directories/builtin.ts'
import { createPasswords } from '../../../src/auth/directories/passwords.ts'
import { cheapHash } from '../../kit/auth.ts'
import { type FreshDatabase, freshDatabase } from '../../kit/database.ts'
import { directoryConformance } from './conformance.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const open = () =>
  createBuiltinDirectory({
    db: database.pool,
    passwords: createPasswords(cheapHash, { atOnce: 1, rests: 0 }),
  })

directoryConformance('built in', () => ({
  directory: open(),
  pool: database.pool,
  restarted: open,
  giveRole: async (userId, role) => {
    await database.pool.query(
      'insert into user_role (user_id, role, created_at) values ($1, $2, now())',
      [userId, role],
    )
  },
}))
