import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { toString as drawQr } from 'qrcode'
import { Type } from 'typebox'
import type { UserId } from '../../../ids/ids.ts'
import * as pages from '../../pages/account.ts'
import { BrowserAnswer } from '../passkeys.ts'
import { sentenceFor } from '../passing.ts'
import type { AccountParts } from './account.ts'
import { createVisits } from './signed-in.ts'

const AddPasskey = Type.Object({ response: BrowserAnswer, name: Type.String({ maxLength: 100 }) })
const RemovePasskey = Type.Object({ credentialId: Type.String({ maxLength: 2_000 }) })
const CodeForm = Type.Object({ code: Type.String({ maxLength: 10 }) })

/** Adding and removing what stands beside the password. Each asks for a fresh sign-in. */
export const secondFactorRoutes =
  (parts: AccountParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const { passkeys, totp, recoveryCodes } = parts.factors
    const visits = createVisits(parts)

    app.post('/account/passkeys/options', async (request, reply) => {
      const { userId } = await visits.freshForScript(request, reply)
      const options = await passkeys.registrationOptions(userId)
      return await reply.type('application/json').send(options)
    })

    app.post('/account/passkeys', { schema: { body: AddPasskey } }, async (request, reply) => {
      const { userId, whence } = await visits.freshForScript(request, reply)
      await passkeys.register({ ...request.body, userId }, whence)
      return await reply.type('application/json').send({ location: '/account?done=passkey' })
    })

    app.post(
      '/account/passkeys/remove',
      { schema: { body: RemovePasskey } },
      async (request, reply) => {
        const visitor = await visits.fresh(request, reply)
        await passkeys.remove(visitor.userId, request.body.credentialId, visitor.whence)
        return await reply.redirect('/account?done=removed', 303)
      },
    )

    app.post('/account/totp', async (request, reply) => {
      const visitor = await visits.fresh(request, reply)
      return await reply.send(await begun(visitor.userId))
    })

    app.post('/account/totp/confirm', { schema: { body: CodeForm } }, async (request, reply) => {
      const visitor = await visits.fresh(request, reply)
      try {
        await totp.confirm(visitor.userId, request.body.code, visitor.whence)
      } catch (error) {
        return await reply.send(pages.totpRetryPage(sentenceFor(error, ['code_wrong'])))
      }
      return await reply.redirect('/account?done=totp', 303)
    })

    app.post('/account/totp/remove', async (request, reply) => {
      const visitor = await visits.fresh(request, reply)
      await totp.remove(visitor.userId, visitor.whence)
      return await reply.redirect('/account?done=removed', 303)
    })

    app.post('/account/recovery-codes', async (request, reply) => {
      const visitor = await visits.fresh(request, reply)
      const codes = await recoveryCodes.make(visitor.userId, visitor.whence)
      return await reply.send(pages.recoveryCodesPage(codes))
    })

    async function begun(userId: UserId): Promise<string> {
      const { uri, secret } = await totp.begin(userId)
      // The library draws it from our own text, so it is markup as it stands.
      const picture = { text: await drawQr(uri, { type: 'svg', margin: 1 }) }
      return pages.totpPage({ secret, uri, picture })
    }

    done()
  }
