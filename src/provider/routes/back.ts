import { timingSafeEqual } from 'node:crypto'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { AuthLayer } from '../../access/auth-layer.ts'
import { AppError } from '../../errors.ts'
import { idPattern, parseId } from '../../ids/ids.ts'
import type { IdKind } from '../../ids/ids.ts'
import { problems } from '../../problems.ts'

const textOrNull = (maxLength: number) => Type.Union([Type.String({ maxLength }), Type.Null()])
const text = (maxLength: number) => Type.String({ maxLength })
const id = (kind: IdKind) => Type.String({ pattern: idPattern(kind) })

const place = Type.Object({ network: text(64), device: textOrNull(200) })
const caller = Type.Object({ userId: id('user'), sessionId: id('sess') })
const SignUpBody = Type.Object({
  ask: Type.Object({
    email: text(254),
    phoneNumber: text(32),
    password: text(1_024),
    displayName: textOrNull(100),
    handle: textOrNull(64),
  }),
  key: textOrNull(255),
  place,
})
const SignInBody = Type.Object({
  ask: Type.Object({ login: text(254), password: text(1_024), code: textOrNull(32) }),
  place,
})
const RefreshBody = Type.Object({ refreshToken: text(512), place })
const StepUpBody = Type.Object({
  caller,
  ask: Type.Union([Type.Object({ password: text(1_024) }), Type.Object({ code: text(32) })]),
  place,
})
const SignOutBody = Type.Object({ caller, place })

/**
 * What servers of the API ask, under a secret that they share with the auth layer. Browsers have no
 * business here. A refusal goes back as its code and facts.
 */
export const backRoutes =
  (layer: AuthLayer, secret: string): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const expected = Buffer.from(`Bearer ${secret}`)
    app.addHook('onRequest', async (request) => {
      const given = Buffer.from(request.headers.authorization ?? '')
      const right = given.length === expected.length && timingSafeEqual(given, expected)
      if (!right) throw new AppError('route_unknown')
    })
    app.setErrorHandler(async (error, request, reply) => {
      if (!(error instanceof AppError)) throw error
      if (error.cause !== undefined) request.log.warn({ code: error.code, cause: error.cause })
      const { code, facts } = error
      return await reply.code(problems[code].status).send({ code, facts })
    })

    app.post('/back/sign-up', { schema: { body: SignUpBody } }, async ({ body }) => {
      return await layer.signUp(body.ask, body.key, body.place)
    })
    app.post('/back/sign-in', { schema: { body: SignInBody } }, async ({ body }) => {
      return await layer.signIn(body.ask, body.place)
    })
    app.post('/back/refresh', { schema: { body: RefreshBody } }, async ({ body }) => {
      return await layer.refresh(body.refreshToken, body.place)
    })
    app.post('/back/step-up', { schema: { body: StepUpBody } }, async ({ body }) => {
      return await layer.stepUp(whose(body.caller), body.ask, body.place)
    })
    app.post('/back/sign-out', { schema: { body: SignOutBody } }, async ({ body }) => {
      await layer.signOut(whose(body.caller), body.place)
      return {}
    })
    done()
  }

function whose(caller: Readonly<{ userId: string; sessionId: string }>) {
  const userId = parseId('user', caller.userId)
  const sessionId = parseId('sess', caller.sessionId)
  if (!userId || !sessionId) throw new AppError('request_invalid')
  return { userId, sessionId }
}
