import type { AuthLayer, Place, StepUp } from '../access/auth-layer.ts'
import type { Arrive } from '../auth/arrival.ts'
import type { Budgets } from '../auth/guard/budgets.ts'
import type { Recorder, Whence } from '../auth/guard/record.ts'
import { PASSWORD_CLIENT } from '../auth/sessions/sessions.ts'
import type { Sessions } from '../auth/sessions/sessions.ts'
import type { SignIn } from '../auth/sign-in.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { signUp } from '../payments/sign-up.ts'
import type { SignUpParts } from '../payments/sign-up.ts'
import { findUser } from '../users/find.ts'

export type LayerParts = Readonly<{
  sessions: Sessions
  signIn: SignIn
  record: Recorder
  arrive: Arrive
  enrolling: SignUpParts
  budgets: Budgets
}>

/** What the API asks of the auth layer, answered here. */
export function createAuthLayer(parts: LayerParts): AuthLayer {
  const { sessions, signIn, record, enrolling, budgets, arrive } = parts

  const done = async (userId: UserId, kind: 'sign_up' | 'step_up' | 'sign_out', whence: Whence) =>
    await record({ ...whence, userId, kind, outcome: 'done', facts: {} })

  /** @returns the methods that were shown. */
  async function again(userId: UserId, ask: StepUp, whence: Whence): Promise<readonly string[]> {
    if ('code' in ask) return await signIn.code(userId, ask.code, whence, 'step_up')
    const user = await findUser(enrolling.pool, userId)
    const login = user?.email ?? user?.phoneNumber ?? user?.handle ?? ''
    const shown = { login, password: ask.password }
    const { expired, second } = await signIn.password(shown, whence, 'step_up')
    if (expired) throw new AppError('password_expired')
    if (second) throw new AppError('second_factor_required')
    return ['pwd']
  }

  return {
    signUp: async (ask, key, place) => {
      await budgets.signUp(place.network)
      const { value, replayed } = await signUp(enrolling, ask, key)
      if (!replayed) await done(value, 'sign_up', from(place))
      return { userId: value, replayed }
    },
    signIn: async ({ login, password, code }, place) => {
      const whence = from(place)
      const authenticatedAt = enrolling.clock.now()
      const { userId, expired, second } = await signIn.password(
        { login, password },
        whence,
        'sign_in',
      )
      if (expired) throw new AppError('password_expired')
      if (second && code === null) throw new AppError('second_factor_required')
      const methods =
        second && code !== null
          ? await signIn.code(userId, code, whence, 'sign_in')
          : (['pwd'] as const)
      const tokens = await sessions.begin({
        ...place,
        ...begun,
        userId,
        methods,
        authenticatedAt,
      })
      await arrive(userId, whence, methods)
      return tokens
    },
    refresh: async (refreshToken, place) => await sessions.refresh(refreshToken, from(place)),
    stepUp: async (caller, ask, place) => {
      const methods = await again(caller.userId, ask, from(place))
      const fresh = await sessions.renew(caller, methods)
      await done(caller.userId, 'step_up', from(place))
      return fresh
    },
    signOut: async (caller, place) => {
      const ended = await sessions.end(caller)
      if (ended) await done(caller.userId, 'sign_out', from(place))
    },
  }
}

const begun = { clientId: PASSWORD_CLIENT, browserId: null } as const

function from(place: Place): Whence {
  return { ...place, clientId: PASSWORD_CLIENT }
}
