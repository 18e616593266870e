import { jwtVerify, SignJWT } from 'jose'
import { parseId, printId } from '../ids/ids.ts'
import type { UserId } from '../ids/ids.ts'
import { SECOND, toDate } from '../time.ts'
import type { Clock } from '../time.ts'

const LIVES_SECONDS = 1_800
const ALGORITHM = 'HS256'

/** Between two forms: who has shown their password in the first. It opens nothing else. */
export type Slips = Readonly<{
  write: (userId: UserId) => Promise<string>
  /** Null for what is none, or is over. */
  read: (slip: string) => Promise<UserId | null>
}>

export function createSlips(secret: string, purpose: string, clock: Clock): Slips {
  const key = new TextEncoder().encode(secret)
  return {
    write: async (userId) => {
      const now = Number(clock.now() / SECOND)
      return await new SignJWT({})
        .setProtectedHeader({ alg: ALGORITHM })
        .setAudience(purpose)
        .setSubject(printId('user', userId))
        .setExpirationTime(now + LIVES_SECONDS)
        .sign(key)
    },
    read: async (slip) => {
      const rules = { algorithms: [ALGORITHM], audience: purpose, requiredClaims: ['exp'] }
      try {
        const { payload } = await jwtVerify(slip, key, {
          ...rules,
          currentDate: toDate(clock.now()),
        })
        return parseId('user', payload.sub ?? '')
      } catch {
        // Whatever is wrong with it, its reader begins anew.
        return null
      }
    },
  }
}
