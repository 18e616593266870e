import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { SessionTokens } from '../../auth/sessions.ts'
import { printId } from '../../ids/ids.ts'
import { actorOf } from '../actor.ts'
import type { HttpParts } from '../parts.ts'
import { networkOf } from '../quotas.ts'
import { Session } from '../resources.ts'
import * as ask from '../schemas.ts'
import { nothing, ref } from '../shapes/words.ts'

const tags = ['sessions']

const signIn = {
  tags,
  operationId: 'signIn',
  summary: 'Sign in',
  description: 'An unknown login and a wrong password are answered alike.',
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

const signOut = {
  tags,
  operationId: 'signOut',
  summary: 'Sign out',
  querystring: ask.NoQuery,
  response: { 204: nothing('The session has ended.') },
}

/** Signing in and out. An Idempotency-Key means nothing here: the answers are never stored. */
export const sessionRoutes =
  ({ sessions }: HttpParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    app.post(
      '/v1/session',
      { schema: signIn, config: { action: 'session.create', quota: 'sign-ins' } },
      async (request) => {
        const address = networkOf(request.ip)
        return toSession(await sessions.signIn({ ...request.body, address }))
      },
    )

    app.post(
      '/v1/session/refresh',
      { schema: refresh, config: { action: 'session.refresh' } },
      async (request) => toSession(await sessions.refresh(request.body.refreshToken)),
    )

    app.delete(
      '/v1/session',
      { schema: signOut, config: { action: 'session.end' } },
      async (request, reply) => {
        await sessions.signOut(actorOf(request))
        return await reply.code(204).send()
      },
    )

    done()
  }

function toSession({ accessToken, refreshToken, expiresIn, userId }: SessionTokens) {
  const tokenType = 'Bearer' as const
  return { accessToken, refreshToken, tokenType, expiresIn, userId: printId('user', userId) }
}
