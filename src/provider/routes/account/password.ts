import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { changePassword } from '../../../auth/recovery/change-password.ts'
import type { RecoveryParts } from '../../../auth/recovery/parts.ts'
import { changePasswordPage } from '../../pages/recovery.ts'
import { sentenceFor } from '../passing.ts'
import type { AccountParts } from './account.ts'
import { createVisits } from './signed-in.ts'

const Form = Type.Object({
  before: Type.String({ maxLength: 1_024 }),
  password: Type.String({ maxLength: 1_024 }),
})

const mendable = ['credentials_invalid', 'password_refused', 'rate_limited', 'overloaded'] as const

/** Asks for a fresh sign-in and for the password before: a screen left alone changes nothing. */
export const passwordRoutes =
  (parts: AccountParts & Readonly<{ recovery: RecoveryParts }>): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const { sessions, recovery } = parts
    const visits = createVisits(parts.provider, parts.clock)

    app.get('/account/password', async (request, reply) => {
      await visits.fresh(request, reply)
      return await reply.send(changePasswordPage(null))
    })

    app.post('/account/password', { schema: { body: Form } }, async (request, reply) => {
      const { userId, browserId, whence } = await visits.fresh(request, reply)
      const open = await sessions.list(userId)
      // Of any app: whoever comes from one has no other session here.
      const here = open.find((session) => session.browserId === browserId)
      const sessionId = here?.sessionId ?? null
      try {
        await changePassword(recovery, { ...request.body, userId, sessionId, whence })
      } catch (error) {
        return await reply.send(changePasswordPage(sentenceFor(error, mendable)))
      }
      return await reply.redirect('/account?done=password', 303)
    })
    done()
  }
