import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { createGate } from './gate.ts'
import { parsePhc, printPhc } from './phc.ts'
import type { Argon2Cost, Argon2Hash } from './phc.ts'

const SALT_BYTES = 16
const TAG_BYTES = 32
/** At 20 ms for a hash, one at a time, the last in the queue waits for 1.3 s; with rests, for 4. */
const WAITING = 64
/** Node's pool of threads has four, and files and host names need them too. */
const MOST_AT_ONCE = 4

const argon2Async = promisify(argon2)

export type Passwords = Readonly<{
  /** A PHC string of argon2id with a new salt. */
  hash: (password: string) => Promise<string>
  /** Whether the password made the PHC string, in constant time. */
  verify: (password: string, phc: string) => Promise<boolean>
  /** True when the PHC string was made at another cost than today's. */
  needsRehash: (phc: string) => boolean
  /** A PHC string that no password made, and that takes as long to verify as any. */
  dummy: string
}>

/** How many hashes run at once, and how many times as long each place rests after one. */
export type Pace = Readonly<{ atOnce: number; rests: number }>

/**
 * How fast a machine may hash. Each hash takes a core for some 20 ms, and what the other cores
 * share with it. Beside servers: a quarter of the cores, and they rest for two thirds of the time,
 * so that a flood of sign-ins leaves payments their pace (bench/auth-results.md). A machine of its
 * own gives half of its cores, and not all, for the pages of those who sign in.
 */
export function paceOf(cores: number, machine: 'shared' | 'alone'): Pace {
  if (machine === 'shared') return { atOnce: places(cores / 4), rests: 2 }
  return { atOnce: places(cores / 2), rests: 0 }
}

function places(cores: number): number {
  return Math.min(Math.max(Math.floor(cores), 1), MOST_AT_ONCE)
}

/**
 * Hashes passwords with argon2id, NFKC first, at that pace.
 *
 * @throws AppError `overloaded` from `hash` and `verify` when 64 wait already.
 * @see RFC 9106; NIST SP 800-63B section 3.1.1.2 on normal forms
 */
export function createPasswords(cost: Argon2Cost, pace: Pace): Passwords {
  const gate = createGate({ ...pace, waiting: WAITING })
  const dummy = { ...cost, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) }

  return {
    hash: async (password) => {
      const salt = randomBytes(SALT_BYTES)
      const tag = await gate(async () => await tagOf(password, { ...cost, salt }, TAG_BYTES))
      return printPhc({ ...cost, salt, tag })
    },
    verify: async (password, phc) => {
      const stored = read(phc)
      const tag = await gate(async () => await tagOf(password, stored, stored.tag.length))
      return timingSafeEqual(tag, stored.tag)
    },
    needsRehash: (phc) => {
      const { memoryKiB, passes, parallelism } = read(phc)
      return (
        memoryKiB !== cost.memoryKiB || passes !== cost.passes || parallelism !== cost.parallelism
      )
    },
    dummy: printPhc(dummy),
  }
}

async function tagOf(
  password: string,
  { memoryKiB, passes, parallelism, salt }: Omit<Argon2Hash, 'tag'>,
  tagLength: number,
): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFKC'), 'utf8')
  const cost = { memory: memoryKiB, passes, parallelism }
  return await argon2Async('argon2id', { message, nonce: salt, tagLength, ...cost })
}

function read(phc: string): Argon2Hash {
  const hash = parsePhc(phc)
  // The text itself stays out of the message: it would end up in a log.
  if (!hash) throw new Error('A stored password hash is not in the PHC format for argon2id')
  return hash
}
