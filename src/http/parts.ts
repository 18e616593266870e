import type { FastifyBaseLogger } from 'fastify'
import type { VerifyingKeys } from '../token-keys.ts'
import type { AuthLayer } from '../access/auth-layer.ts'
import type { VerifyToken } from '../access/tokens.ts'
import type { UserId } from '../ids/ids.ts'
import type { Trusts } from '../network.ts'
import type { Payments } from '../payments/asks.ts'
import type { Clock, Micros } from '../time.ts'
import type { CountRequests } from './actor.ts'
import type { Admission } from './admission/admission.ts'
import type { Channel, User } from '../users/user.ts'

/** A message as the development mailbox shows it. */
export type Message = Readonly<{
  channel: Channel
  recipient: string
  subject: string
  body: string
  createdAt: Micros
}>

/** Newest first, of one recipient or of all. */
export type ReadMailbox = (recipient: string | null, limit: number) => Promise<readonly Message[]>

/** What is well and what is not, by name: `ok`, or a word that tells operators where to look. */
export type Readiness = Readonly<{ ready: boolean; checks: Readonly<Record<string, string>> }>

/** All that the door needs of the house. */
export type HttpParts = Readonly<{
  version: string
  log: FastifyBaseLogger
  clock: Clock
  /** Requests per caller are counted and bounded. Null for load tests only. */
  quotas: CountRequests | null
  /** How many requests are worked on at once, whoever asks. */
  admission: Admission
  /** Who stands in front of this door, and has added who asks to X-Forwarded-For. */
  trusts: Trusts
  payments: Payments
  authLayer: AuthLayer
  verifyToken: VerifyToken
  findUser: (id: UserId) => Promise<User | null>
  publicJwks: VerifyingKeys['publicJwks']
  readiness: () => Promise<Readiness>
  /** Null in production: then there are no development routes at all. */
  readMailbox: ReadMailbox | null
}>
