import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { FactorReset } from '../../auth/recovery/factor-reset.ts'
import type { PasswordReset } from '../../auth/recovery/password-reset.ts'
import {
  CANCEL_FACTOR_RESET_PATH,
  RESET_PASSWORD_PATH,
} from '../../auth/recovery/secret-message.ts'
import type { SignIn } from '../../auth/sign-in.ts'
import { AppError } from '../../errors.ts'
import type { Clock } from '../../time.ts'
import { message, toSignIn } from '../pages/provider-pages.ts'
import * as pages from '../pages/recovery.ts'
import type { Slips } from '../slips.ts'
import { sentenceFor, whenceOf } from './passing.ts'

export type RecoveryPageParts = Readonly<{
  clock: Clock
  signIn: SignIn
  passwordReset: PasswordReset
  factorReset: FactorReset
  slips: Slips
}>

const text = (maxLength: number) => Type.String({ maxLength })
const LoginForm = Type.Object({ login: text(254) })
const ResetForm = Type.Object({
  token: text(200),
  password: text(1_024),
  code: Type.Optional(text(32)),
})
const TokenQuery = Type.Object({ token: text(200) })
const ProofForm = Type.Object({ login: text(254), password: text(1_024) })
const CodesForm = Type.Object({ slip: text(1_000), emailCode: text(10), phoneCode: text(10) })

/** For who comes by a link that opens nothing. */
const over = message('That link is over', 'It was used already, or is too old.', {
  to: '/reset',
  text: 'Ask for a new one',
})
const nothingToEnd =
  'Your second factors are no longer about to be taken off, or it has happened already.'

/** A forgotten password. */
export const passwordResetRoutes =
  ({ passwordReset }: RecoveryPageParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    app.get('/reset', async (_request, reply) => await reply.send(pages.forgottenPage(null)))

    app.post('/reset', { schema: { body: LoginForm } }, async (request, reply) => {
      try {
        await passwordReset.ask(request.body.login, whenceOf(request, null))
      } catch (error) {
        return await reply.send(pages.forgottenPage(sentenceFor(error, ['rate_limited'])))
      }
      const sent =
        'If there is an account with a proven e-mail address, a link is on its way to it. It ' +
        'works once, for 30 minutes.'
      const again = { to: '/reset', text: 'Nothing came? Ask again' }
      return await reply.send(message('Look into your mailbox', sent, again))
    })

    app.get(
      RESET_PASSWORD_PATH,
      { schema: { querystring: TokenQuery } },
      async (request, reply) => {
        const { token } = request.query
        const found = await passwordReset.look(token)
        if (!found) return await reply.send(over)
        const { needsSecond } = found
        return await reply.send(pages.resetPage({ token, needsSecond, problem: null }))
      },
    )

    app.post(RESET_PASSWORD_PATH, { schema: { body: ResetForm } }, async (request, reply) => {
      const { token, password, code = null } = request.body
      try {
        await passwordReset.finish({ token, password, code, whence: whenceOf(request, null) })
      } catch (error) {
        const problem = sentenceFor(error, resetMendable)
        const found = await passwordReset.look(token)
        if (!found) return await reply.send(over)
        const { needsSecond } = found
        return await reply.send(pages.resetPage({ token, needsSecond, problem }))
      }
      const next = 'You are signed out everywhere. Go back to your app, and sign in with it.'
      return await reply.send(message('Your password is changed', next, toSignIn))
    })
    done()
  }

const resetMendable = [
  'code_expired',
  'code_wrong',
  'password_refused',
  'rate_limited',
  'overloaded',
  'second_factor_required',
] as const

/** Second factors that are lost, all of them. */
export const lostFactorRoutes =
  (parts: RecoveryPageParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const { factorReset, slips, signIn, clock } = parts

    app.get('/lost-factors', async (_request, reply) => {
      return await reply.send(pages.lostFactorsPage(null))
    })

    app.post('/lost-factors', { schema: { body: ProofForm } }, async (request, reply) => {
      const { password } = request.body
      const whence = whenceOf(request, null)
      try {
        const { userId } = await signIn.password(request.body, whence, 'sign_in')
        const standing = await factorReset.standing(userId)
        if (standing && clock.now() < standing.readyAt) {
          return await reply.send(pages.waitingPage(standing.readyAt))
        }
        if (standing) {
          await factorReset.finish({ userId, password, whence })
          const next = 'Go back to your app and sign in. Then set a new second factor up.'
          return await reply.send(message('Your second factors are off', next, toSignIn))
        }
        await factorReset.sendCodes({ userId, password, whence })
        const slip = await slips.write(userId)
        return await reply.send(pages.factorCodesPage({ slip, problem: null }))
      } catch (error) {
        return await reply.send(pages.lostFactorsPage(lostProblem(error)))
      }
    })

    app.post('/lost-factors/codes', { schema: { body: CodesForm } }, async (request, reply) => {
      const { slip, ...typed } = request.body
      const userId = await slips.read(slip)
      if (!userId) return await reply.redirect('/lost-factors', 303)
      const codes = { emailCode: typed.emailCode.trim(), phoneCode: typed.phoneCode.trim() }
      try {
        const asked = { ...codes, userId, whence: whenceOf(request, null) }
        const { readyAt } = await factorReset.ask(asked)
        return await reply.send(pages.waitingPage(readyAt))
      } catch (error) {
        const problem = sentenceFor(error, ['code_wrong', 'rate_limited'])
        return await reply.send(pages.factorCodesPage({ slip, problem }))
      }
    })

    app.get(
      CANCEL_FACTOR_RESET_PATH,
      { schema: { querystring: TokenQuery } },
      async (request, reply) => await reply.send(pages.cancelPage(request.query.token)),
    )

    app.post(CANCEL_FACTOR_RESET_PATH, { schema: { body: TokenQuery } }, async (request, reply) => {
      const ran = await factorReset.cancel(request.body.token, whenceOf(request, null))
      const told = 'Your second factors stay. Somebody knows your password: please change it now.'
      const next = { to: '/account/password', text: 'Change your password' }
      const page = ran ? message('They stay', told, next) : message('Nothing to end', nothingToEnd)
      return await reply.send(page)
    })
    done()
  }

function lostProblem(error: unknown): string {
  if (error instanceof AppError && error.code === 'factor_unknown') {
    return 'You have no second factor: sign in with your password.'
  }
  if (error instanceof AppError && error.code === 'action_forbidden') {
    return 'Your e-mail address and phone must both have been proven for a day. Contact support.'
  }
  return sentenceFor(error, ['credentials_invalid', 'rate_limited', 'overloaded', 'code_expired'])
}
