import type { SessionId, UserId } from '../ids/ids.ts'

/** Where somebody asks from: `network` is the address, or for IPv6 its /64. */
export type Place = Readonly<{
  network: string
  /** What their program says it is; null when it says nothing. */
  device: string | null
}>

/** `expiresIn` is the access token's life in seconds. */
export type SessionTokens = Readonly<{
  accessToken: string
  refreshToken: string
  expiresIn: number
  userId: UserId
}>

export type SignUp = Readonly<{
  email: string
  phoneNumber: string
  password: string
  displayName: string | null
  handle: string | null
}>

/** `code` is of an authenticator app, or a recovery code. */
export type SignIn = Readonly<{ login: string; password: string; code: string | null }>

/** A factor that is shown again: the one that the user has. */
export type StepUp = Readonly<{ password: string } | { code: string }>

/**
 * What the API asks of the auth layer, which alone knows passwords. Each function throws AppError
 * `auth_unavailable` when it does not answer.
 */
export type AuthLayer = Readonly<{
  /**
   * Opens a user.
   *
   * @throws AppError `contact_invalid`, `contact_taken`, `password_refused`, `overloaded`,
   * `directory_unavailable`, `idempotency_key_reused`.
   */
  signUp: (
    ask: SignUp,
    key: string | null,
    place: Place,
  ) => Promise<Readonly<{ userId: UserId; replayed: boolean }>>
  /**
   * Begins a session.
   *
   * @throws AppError `credentials_invalid` for an unknown login, a wrong password or code, and one
   * who may not sign in, alike; `second_factor_required`, `password_expired`, `rate_limited`,
   * `overloaded`, `directory_unavailable`.
   */
  signIn: (ask: SignIn, place: Place) => Promise<SessionTokens>
  /** @throws AppError `refresh_token_invalid` */
  refresh: (refreshToken: string, place: Place) => Promise<SessionTokens>
  /**
   * Shows a factor again, so that the session counts as fresh. The refresh token stays as it is.
   *
   * @throws AppError `credentials_invalid`, `second_factor_required`, `rate_limited`,
   * `refresh_token_invalid` for a session that has ended.
   */
  stepUp: (
    caller: Readonly<{ userId: UserId; sessionId: SessionId }>,
    ask: StepUp,
    place: Place,
  ) => Promise<Readonly<{ accessToken: string; expiresIn: number }>>
  /** Ends the session; a second time changes nothing. */
  signOut: (
    caller: Readonly<{ userId: UserId; sessionId: SessionId }>,
    place: Place,
  ) => Promise<void>
}>
