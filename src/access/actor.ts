import type { SessionId, UserId } from '../ids/ids.ts'
import type { Scope, StaffRole } from '../scopes.ts'
import type { Micros } from '../time.ts'

/** What every access token says. */
export type Spoken = Readonly<{
  /** The app that holds the token. */
  clientId: string
  scopes: ReadonlySet<Scope>
  /** To the second. */
  issuedAt: Micros
  expiresAt: Micros
}>

/** What the token of a person says of them, beside who they are. */
export type Person = Spoken &
  Readonly<{
    kind: 'user'
    /** Null for a session of an outside issuer: it is not ours to end. */
    sessionId: SessionId | null
    roles: readonly StaffRole[]
    /** When a factor was last shown; null when the issuer does not say. */
    authenticatedAt: Micros | null
    /** Which. @see RFC 8176 */
    methods: readonly string[]
  }>

/** A program that asks for itself, by client credentials: it is nobody's, and has nothing. */
export type Machine = Spoken & Readonly<{ kind: 'service' }>

export type Customer = Person & Readonly<{ userId: UserId }>

/** Who asks, as an access token says. */
export type Actor = Customer | Machine
