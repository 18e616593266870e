import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { may } from '../../access/policy.ts'
import { AppError } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { callerOf, freshnessFor, requireScope, staffOf } from '../actor.ts'
import { readForm } from '../shapes/forms.ts'
import { keyOf, unwrap } from '../idempotency.ts'
import type { HttpParts } from '../parts.ts'
import { placeOf } from '../shapes/place.ts'
import { User, UserOrPublicUser } from '../resources.ts'
import * as ask from '../schemas.ts'
import { nothing, ref } from '../shapes/words.ts'
import { toPublicUser, toRange, toUser } from '../wire.ts'

const tags = ['users']

const signUp = {
  tags,
  operationId: 'signUp',
  summary: 'Sign up',
  description:
    'Sends a code to the e-mail address and one to the phone. Both proven raise the limits.',
  body: ask.SignUpBody,
  querystring: ask.NoQuery,
  response: { 201: ref(User, 'The new user.') },
}

const readCaller = {
  tags,
  operationId: 'readCaller',
  summary: 'Look at oneself',
  description: `For who has a token and does not know their id: an outside issuer's token does not
hold it, and its first use opens the user.`,
  querystring: ask.RangeQuery,
  response: { 200: ref(User, 'The caller in full.') },
}

const readUser = {
  tags,
  operationId: 'readUser',
  summary: 'Look at a user',
  description: 'The times narrow the bank accounts that are listed, by when they were linked.',
  params: ask.UserPath,
  querystring: ask.RangeQuery,
  response: { 200: UserOrPublicUser },
}

const changeUser = {
  tags,
  operationId: 'changeUser',
  summary: 'Change the profile, or link or unlink a bank account',
  description: `One of three forms, told apart by their members; a mixture is refused.
Profile: \`displayName, handle, email, phoneNumber, debitCardId\`. A new e-mail address or phone
number is unproven, and is sent a code unless one left within 30 s: then ask for it. A proven one
that it replaces is told. Codes that confirm payments go to the proven e-mail address before it,
until the new one has been proven for 24 hours.
A new contact, and a link, need a factor that was shown within ten minutes: 401
\`step_up_required\`.
Link: \`bankName, bankAccountNumber, bankRoutingNumber\` and what else describes the bank account.
Unlink: \`unlinkBankAccountId\`.`,
  params: ask.UserPath,
  querystring: ask.NoQuery,
  body: ask.ChangeUserBody,
  response: { 200: ref(User, 'The user as it now is.') },
}

const freeze = {
  tags,
  operationId: 'freezeUser',
  summary: 'Stop a user from sending',
  description: `For operators, and services with \`staff:write\`. The user may sign in, look and
receive. Doing it again changes nothing.`,
  params: ask.UserPath,
  querystring: ask.NoQuery,
  body: ask.NoBody,
  response: { 200: ref(User, 'The user, frozen.') },
}

const thaw = {
  ...freeze,
  operationId: 'thawUser',
  summary: 'Let a frozen user send again',
  response: { 200: ref(User, 'The user, active.') },
}

const sendCode = {
  tags,
  operationId: 'sendContactCode',
  summary: 'Send a new code to the e-mail address or phone',
  description: 'One in 30 s, and ten a day, whatever the address.',
  params: ask.ContactPath,
  querystring: ask.NoQuery,
  body: ask.NoBody,
  response: { 204: nothing('The code is on its way. Older ones no longer work.') },
}

const confirm = {
  tags,
  operationId: 'confirmContact',
  summary: 'Prove the e-mail address or phone with its code',
  params: ask.ContactPath,
  querystring: ask.NoQuery,
  body: ask.CodeBody,
  response: { 200: ref(User, 'The user as it now is.') },
}

/** People: sign-up, profile, and proof of their addresses. */
export const userRoutes =
  ({ authLayer, payments, findUser, clock }: HttpParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const own = { owner: 'id' } as const

    app.post(
      '/v1/user',
      { schema: signUp, config: { action: 'user.create', quota: 'sign-ups' } },
      async (request, reply) => {
        const { displayName = null, handle = null, ...body } = request.body
        const ask = { ...body, displayName, handle }
        const { userId, ...rest } = await authLayer.signUp(ask, keyOf(request), placeOf(request))
        const value = await payments.ownUser(userId, { start: null, end: null })
        return await reply.code(201).send(toUser(unwrap(reply, { value, ...rest })))
      },
    )

    app.get(
      '/v1/user',
      { schema: readCaller, config: { action: 'user.read' } },
      async (request) => {
        return toUser(await payments.ownUser(callerOf(request), toRange(request.query)))
      },
    )

    app.get(
      '/v1/user/:id',
      { schema: readUser, config: { ...own, action: 'user.glance' } },
      async (request) => {
        const range = toRange(request.query)
        if (may(request.role, 'user.read')) {
          return toUser(await payments.ownUser(userIdOf(request.params.id), range))
        }
        return toPublicUser(await glance(findUser, request.params.id))
      },
    )

    app.put(
      '/v1/user/:id',
      { schema: changeUser, config: { ...own, action: 'user.change' } },
      async (request, reply) => {
        const caller = callerOf(request)
        const key = keyOf(request)
        const change = readForm(request.body)
        if (change.form === 'profile') {
          const shown = freshnessFor(request, 'contact.change', clock)
          const changed = await payments.changeProfile(caller, change.patch, key, shown)
          return toUser(unwrap(reply, changed))
        }
        if (change.form === 'link') {
          requireScope(request, 'account.link')
          const shown = freshnessFor(request, 'account.link', clock)
          unwrap(reply, await payments.linkBankAccount(caller, change.link, key, shown))
        } else {
          requireScope(request, 'account.unlink')
          unwrap(reply, await payments.unlinkBankAccount(caller, change.id, key))
        }
        return toUser(await payments.ownUser(caller, { start: null, end: null }))
      },
    )

    for (const verb of ['freeze', 'thaw'] as const) {
      app.post(
        `/v1/user/:id/${verb}`,
        { schema: verb === 'freeze' ? freeze : thaw, config: { ...own, action: `user.${verb}` } },
        async (request) => {
          const id = userIdOf(request.params.id)
          const by = staffOf(request)
          await payments.setFrozen(id, verb === 'freeze', by)
          request.log.info({ by: by.name, user: id }, `user.${verb}`)
          return toUser(await payments.ownUser(id, { start: null, end: null }))
        },
      )
    }

    app.post(
      '/v1/user/:id/contacts/:channel/code',
      { schema: sendCode, config: { ...own, action: 'contact.send' } },
      async (request, reply) => {
        const { channel } = request.params
        unwrap(reply, await payments.sendContactCode(callerOf(request), channel, keyOf(request)))
        return await reply.code(204).send()
      },
    )

    app.post(
      '/v1/user/:id/contacts/:channel/verify',
      { schema: confirm, config: { ...own, action: 'contact.confirm' } },
      async (request, reply) => {
        const proof = { channel: request.params.channel, code: request.body.code }
        const proven = await payments.confirmContact(callerOf(request), proof, keyOf(request))
        return toUser(unwrap(reply, proven))
      },
    )

    done()
  }

/** @throws AppError `user_unknown`: a text that is no id names nobody. */
function userIdOf(text: string): UserId {
  const id = parseId('user', text)
  if (!id) throw new AppError('user_unknown')
  return id
}

/** What everybody may see of someone. */
async function glance(findUser: HttpParts['findUser'], text: string) {
  const user = await findUser(userIdOf(text))
  if (!user) throw new AppError('user_unknown')
  return user
}
