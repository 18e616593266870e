import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { SessionTokens } from '../../access/auth-layer.ts'
import { printId } from '../../ids/ids.ts'
import { sessionOf } from '../actor.ts'
import type { HttpParts } from '../parts.ts'
import { placeOf } from '../shapes/place.ts'
import { FreshToken, Session } from '../resources.ts'
import * as ask from '../schemas.ts'
import { nothing, ref } from '../shapes/words.ts'

const tags = ['sessions']

const signIn = {
  tags,
  operationId: 'signIn',
  summary: 'Sign in',
  description: `An unknown login and a wrong password are answered alike. Whoever has an
authenticator app sends its \`code\` too, or a recovery code.`,
  body: ask.SignInBody,
  querystring: ask.NoQuery,
  response: { 200: ref(Session, 'A new session.') },
}

const refresh = {
  tags,
  operationId: 'refreshSession',
  summary: 'Trade a refresh token for new tokens',
  description: 'A refresh token works once. One that comes again ends its session.',
  body: ask.RefreshBody,
  querystring: ask.NoQuery,
  response: { 200: ref(Session, 'The same session with new tokens.') },
}

const stepUp = {
  tags,
  operationId: 'stepUp',
  summary: 'Show a factor again',
  description: `What moves much money or changes how one signs in asks for a factor that was shown
within the last ten minutes. \`code\` for who has an authenticator app, else \`password\`.`,
  body: ask.StepUpBody,
  querystring: ask.NoQuery,
  response: { 200: ref(FreshToken, 'A new access token; the refresh token stays as it is.') },
}

const signOut = {
  tags,
  operationId: 'signOut',
  summary: 'Sign out',
  querystring: ask.NoQuery,
  response: { 204: nothing('The session has ended.') },
}

/** Signing in and out. An Idempotency-Key means nothing here: the answers are never stored. */
export const sessionRoutes =
  ({ authLayer }: HttpParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    app.post(
      '/v1/session',
      { schema: signIn, config: { action: 'session.create', quota: 'sign-ins' } },
      async (request) => {
        const { code = null, ...ask } = request.body
        return toSession(await authLayer.signIn({ ...ask, code }, placeOf(request)))
      },
    )

    app.post(
      '/v1/session/refresh',
      { schema: refresh, config: { action: 'session.refresh' } },
      async (request) => {
        const { refreshToken } = request.body
        return toSession(await authLayer.refresh(refreshToken, placeOf(request)))
      },
    )

    app.post(
      '/v1/session/step-up',
      { schema: stepUp, config: { action: 'session.step-up', quota: 'sign-ins' } },
      async (request) => {
        const fresh = await authLayer.stepUp(sessionOf(request), request.body, placeOf(request))
        return { ...fresh, tokenType: 'Bearer' as const }
      },
    )

    app.delete(
      '/v1/session',
      { schema: signOut, config: { action: 'session.end' } },
      async (request, reply) => {
        await authLayer.signOut(sessionOf(request), placeOf(request))
        return await reply.code(204).send()
      },
    )

    done()
  }

function toSession({ accessToken, refreshToken, expiresIn, userId }: SessionTokens) {
  const tokenType = 'Bearer' as const
  return { accessToken, refreshToken, tokenType, expiresIn, userId: printId('user', userId) }
}
