import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { Provider } from 'oidc-provider'
import { Type } from 'typebox'
import type { Factors } from '../../../auth/factors/factors.ts'
import type { Recorder } from '../../../auth/guard/record.ts'
import { PASSWORD_CLIENT } from '../../../auth/sessions/sessions.ts'
import type { Sessions } from '../../../auth/sessions/sessions.ts'
import { transaction } from '../../../auth/transaction.ts'
import { inTransaction } from '../../../db/tx.ts'
import { AppError } from '../../../errors.ts'
import { idPattern, parseId } from '../../../ids/ids.ts'
import { sendCode } from '../../../payments/people.ts'
import type { SignUpParts } from '../../../payments/sign-up.ts'
import type { Clock } from '../../../time.ts'
import { changeView } from '../../../users/change-view.ts'
import { confirmContact } from '../../../users/contacts.ts'
import { findUser } from '../../../users/find.ts'
import type { User } from '../../../users/user.ts'
import * as pages from '../../pages/account.ts'
import { sentenceFor } from '../passing.ts'
import { createVisits } from './signed-in.ts'
import type { Visitor, Visits } from './signed-in.ts'

export type AccountParts = Readonly<{
  provider: Provider
  clock: Clock
  enrolling: SignUpParts
  sessions: Sessions
  factors: Factors
  record: Recorder
  /** What people know an app by; its id when it is known no more. */
  appName: (id: string) => string
}>

const SessionForm = Type.Object({ sessionId: Type.String({ pattern: idPattern('sess') }) })
const Channel = Type.Object({ channel: Type.Union([Type.Literal('email'), Type.Literal('phone')]) })
const CodeForm = Type.Object({ code: Type.String({ maxLength: 10 }) })

/** What was just done, by the word that stands in the address. */
const doneWords: Readonly<Record<string, string>> = {
  session: 'That session is over.',
  others: 'You are signed out everywhere else.',
  contact: 'It is proven.',
  passkey: 'Your passkey is ready. Make recovery codes too, if you have none.',
  removed: 'It is removed.',
  totp: 'Your authenticator app is on. Make recovery codes too, if you have none.',
  password: 'Your password is changed, and you are signed out everywhere else.',
}

/** The page of one's account: sessions, and the contacts that prove who one is. */
export const accountRoutes =
  (parts: AccountParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const { sessions, record } = parts
    const visits = createVisits(parts)

    app.get('/account/signed-in', async (_request, reply) => await reply.redirect('/account', 303))

    // Scripts of these pages lead here who must sign in again before a change.
    app.get('/account/again', async (request, reply) => {
      await visits.fresh(request, reply)
      return await reply.redirect('/account', 303)
    })

    app.get('/account', async (request, reply) => {
      const visitor = await visits.visitor(request, reply)
      const word = (request.query as Readonly<Record<string, string | undefined>>)['done']
      return await reply.send(await show(parts, visitor, doneWords[word ?? ''] ?? null))
    })

    app.post('/account/sessions/end', { schema: { body: SessionForm } }, async (request, reply) => {
      const visitor = await visits.visitor(request, reply)
      const { userId, whence } = visitor
      const sessionId = parseId('sess', request.body.sessionId)
      const ended = sessionId && (await sessions.end({ userId, sessionId }))
      if (!ended) throw new AppError('session_unknown')
      const facts = { session: request.body.sessionId }
      await record({ ...whence, userId, kind: 'session_revoked', outcome: 'done', facts })
      return await reply.redirect('/account?done=session', 303)
    })

    app.post('/account/sessions/end-others', async (request, reply) => {
      const visitor = await visits.visitor(request, reply)
      const { userId, whence, browserId } = visitor
      const count = await inTransaction(
        parts.enrolling.pool,
        async (tx) => await sessions.endAll(tx, userId, browserId),
        transaction,
      )
      const facts = { count }
      await record({ ...whence, userId, kind: 'session_revoked', outcome: 'done', facts })
      return await reply.redirect('/account?done=others', 303)
    })

    contactRoutes(app, parts, visits)
    done()
  }

type App = Parameters<FastifyPluginCallbackTypebox>[0]

function contactRoutes(app: App, parts: AccountParts, visits: Visits): void {
  app.post(
    '/account/contacts/:channel/code',
    { schema: { params: Channel } },
    async (request, reply) => {
      const visitor = await visits.visitor(request, reply)
      const { channel } = request.params
      let problem: string | null = null
      try {
        await inTransaction(
          parts.enrolling.pool,
          async (tx) => await sendCode(parts.enrolling, tx, visitor.userId, channel),
          transaction,
        )
      } catch (error) {
        problem = sentenceFor(error, ['rate_limited'])
      }
      return await askForCode(parts, visitor, reply, { channel, problem })
    },
  )

  app.post(
    '/account/contacts/:channel/verify',
    { schema: { params: Channel, body: CodeForm } },
    async (request, reply) => {
      const visitor = await visits.visitor(request, reply)
      const { channel } = request.params
      try {
        await confirm(parts, visitor, { channel, code: request.body.code.trim() })
      } catch (error) {
        const problem = sentenceFor(error, ['code_wrong', 'code_expired'])
        return await askForCode(parts, visitor, reply, { channel, problem })
      }
      return await reply.redirect('/account?done=contact', 303)
    },
  )
}

type Channel = 'email' | 'phone'

async function askForCode(
  parts: AccountParts,
  visitor: Visitor,
  reply: FastifyReply,
  { channel, problem }: Readonly<{ channel: Channel; problem: string | null }>,
): Promise<FastifyReply> {
  const user = await userOf(parts, visitor)
  const recipient = (channel === 'email' ? user.email : user.phoneNumber) ?? 'you'
  return await reply.send(pages.contactCodePage({ channel, recipient, problem }))
}

/** A wrong attempt is counted, so the transaction commits before it is refused. */
async function confirm(
  { enrolling }: AccountParts,
  { userId }: Visitor,
  { channel, code }: Readonly<{ channel: Channel; code: string }>,
): Promise<void> {
  const { digestKey, clock } = enrolling
  const refusal = await changeView(
    enrolling,
    userId,
    async (tx) => {
      try {
        await confirmContact(tx, { userId, channel, code, digestKey, now: clock.now() })
        return null
      } catch (error) {
        if (error instanceof AppError && error.cause === undefined) return error
        throw error
      }
    },
    transaction,
  )
  if (refusal) throw refusal
}

async function show(parts: AccountParts, visitor: Visitor, done: string | null): Promise<string> {
  const { factors, sessions, appName } = parts
  const { userId, browserId } = visitor
  const [user, passkeys, enrolled, open] = await Promise.all([
    userOf(parts, visitor),
    factors.passkeys.list(userId),
    factors.enrolled(userId),
    sessions.list(userId),
  ])
  const nameOf = (id: string): string => {
    return id === PASSWORD_CLIENT ? 'By name and password, without this page' : appName(id)
  }
  const listed = open.map((session) => ({
    ...session,
    app: nameOf(session.clientId),
    here: session.browserId === browserId,
  }))
  const { totp, recoveryCodes } = enrolled
  return pages.accountPage({
    user,
    done,
    problem: null,
    passkeys,
    totp,
    recoveryCodes,
    sessions: listed,
  })
}

async function userOf({ enrolling }: AccountParts, { userId }: Visitor): Promise<User> {
  const user = await findUser(enrolling.pool, userId)
  if (!user) throw new AppError('user_unknown')
  return user
}
