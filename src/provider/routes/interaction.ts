import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import { Type } from 'typebox'
import type { AuthLayer } from '../../access/auth-layer.ts'
import type { Arrive } from '../../auth/arrival.ts'
import type { Factors } from '../../auth/factors/factors.ts'
import { changePassword } from '../../auth/recovery/change-password.ts'
import type { RecoveryParts } from '../../auth/recovery/parts.ts'
import type { SignIn } from '../../auth/sign-in.ts'
import type { Queryable } from '../../db/query.ts'
import { AppError } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Clock } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import { openGrant } from '../openid/grants.ts'
import { timeOf } from '../openid/grants.ts'
import type { Client } from '../openid/clients.ts'
import type { Sessions } from '../../auth/sessions/sessions.ts'
import * as pages from '../pages/sign-in.ts'
import * as passing from './passing.ts'
import type { Interaction } from './passing.ts'

export type InteractionParts = Readonly<{
  provider: Provider
  db: Queryable
  clock: Clock
  recovery: RecoveryParts
  signIn: SignIn
  factors: Factors
  sessions: Sessions
  arrive: Arrive
  layer: AuthLayer
  clientOf: (id: string) => Client
  audience: string
}>

export const InteractionPath = Type.Object({
  uid: Type.String({ pattern: '^[A-Za-z0-9_-]{10,64}$' }),
})
const text = (maxLength: number) => Type.String({ maxLength })
const PasswordForm = Type.Object({ login: text(254), password: text(1_024) })
const CodeForm = Type.Object({ code: text(32) })
const NewPasswordForm = Type.Object({ before: text(1_024), password: text(1_024) })
const SignUpForm = Type.Object({
  email: text(254),
  phoneNumber: text(32),
  displayName: text(80),
  handle: text(64),
  password: text(1_024),
})

/** Refusals that a form is shown again with. */
const mendable = [
  'credentials_invalid',
  'contact_invalid',
  'contact_taken',
  'password_refused',
  'rate_limited',
  'overloaded',
] as const

/** The pages between an app's request and its answer: who is it, and do they allow it? */
export const interactionRoutes =
  (parts: InteractionParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const { provider } = parts
    const schema = { params: InteractionPath }
    const of = async (request: FastifyRequest, reply: FastifyReply) =>
      await passing.interactionOf(provider, request, reply)

    app.get('/interaction/:uid', { schema }, async (request, reply) => {
      const interaction = await of(request, reply)
      return await reply.send(await pageFor(parts, interaction, null))
    })

    app.post(
      '/interaction/:uid/password',
      { schema: { ...schema, body: PasswordForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        try {
          const { userId, expired, second } = await parts.signIn.password(request.body, whence)
          const methods = second ? null : ['pwd']
          const shown = { userId, expired, methods }
          return await go(reply, await advance(parts, interaction, { request, reply }, shown))
        } catch (error) {
          const problem = passing.sentenceFor(error, mendable)
          const { login } = request.body
          return await reply.send(signInPage(parts, interaction, { problem, login }))
        }
      },
    )

    app.post(
      '/interaction/:uid/code',
      { schema: { ...schema, body: CodeForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const pending = passing.pendingOf(interaction)
        if (!pending || pending.methods) return await go(reply, baseOf(interaction))
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        try {
          const methods = await parts.signIn.code(pending.userId, request.body.code, whence)
          const shown = { ...pending, methods }
          return await go(reply, await advance(parts, interaction, { request, reply }, shown))
        } catch (error) {
          const told = passing.sentenceFor(error, mendable)
          const wrong = error instanceof AppError && error.code === 'credentials_invalid'
          const problem = wrong ? 'This code is not right, or was used before.' : told
          return await reply.send(await pageFor(parts, interaction, problem))
        }
      },
    )

    app.post(
      '/interaction/:uid/new-password',
      { schema: { ...schema, body: NewPasswordForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const pending = passing.pendingOf(interaction)
        if (!pending?.expired || !pending.methods) return await go(reply, baseOf(interaction))
        const { userId, methods } = pending
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        try {
          await changePassword(parts.recovery, {
            ...request.body,
            userId,
            sessionId: null,
            whence,
          })
        } catch (error) {
          const problem = passing.sentenceFor(error, mendable)
          return await reply.send(pages.newPasswordPage({ base: baseOf(interaction), problem }))
        }
        return await go(reply, await enter(parts, request, reply, { userId, methods }))
      },
    )

    app.get('/interaction/:uid/sign-in', { schema }, async (request, reply) => {
      const shown = { problem: null, login: '' }
      return await reply.send(signInPage(parts, await of(request, reply), shown))
    })

    app.get('/interaction/:uid/register', { schema }, async (request, reply) => {
      const base = baseOf(await of(request, reply))
      const typed = { email: '', phoneNumber: '', displayName: '', handle: '' }
      return await reply.send(pages.signUpPage({ base, problem: null, typed }))
    })

    app.post(
      '/interaction/:uid/register',
      { schema: { ...schema, body: SignUpForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const { displayName, handle, ...ask } = request.body
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        const place = { network: whence.network ?? '', device: whence.device }
        try {
          const signUp = { ...ask, displayName: displayName || null, handle: handle || null }
          const { userId } = await parts.layer.signUp(signUp, null, place)
          return await go(reply, await enter(parts, request, reply, { userId, methods: ['pwd'] }))
        } catch (error) {
          const problem = passing.sentenceFor(error, mendable)
          const page = { base: baseOf(interaction), problem, typed: request.body }
          return await reply.send(pages.signUpPage(page))
        }
      },
    )

    app.post('/interaction/:uid/consent', { schema }, async (request, reply) => {
      const interaction = await of(request, reply)
      const to = await allow(parts, interaction, request, reply)
      return await reply.redirect(to, 303)
    })

    app.post('/interaction/:uid/abort', { schema }, async (request, reply) => {
      await of(request, reply)
      const refused = { error: 'access_denied', error_description: 'the customer did not allow it' }
      const once = { mergeWithLastSubmission: false }
      const to = await provider.interactionResult(request.raw, reply.raw, refused, once)
      return await reply.redirect(to, 303)
    })

    done()
  }

function baseOf({ uid }: Interaction): string {
  return `/interaction/${uid}`
}

/** The page that this interaction is at. */
async function pageFor(
  parts: InteractionParts,
  interaction: Interaction,
  problem: string | null,
): Promise<string> {
  const base = baseOf(interaction)
  if (interaction.prompt.name === 'consent') return await consentPage(parts, interaction)
  const pending = passing.pendingOf(interaction)
  if (pending?.expired && pending.methods) return pages.newPasswordPage({ base, problem })
  if (pending) {
    const { totp, passkeys } = await parts.factors.enrolled(pending.userId)
    return pages.secondFactorPage({ base, problem, totp, passkeys: passkeys > 0 })
  }
  if (interaction.params['screen_hint'] === 'register' && problem === null) {
    const typed = { email: '', phoneNumber: '', displayName: '', handle: '' }
    return pages.signUpPage({ base, problem, typed })
  }
  const hint = interaction.params['login_hint']
  const login = typeof hint === 'string' ? hint.slice(0, 254) : await knownLogin(parts, interaction)
  return signInPage(parts, interaction, { problem, login })
}

/** Whoever is asked again need not type who they are. */
async function knownLogin(
  { db }: Pick<InteractionParts, 'db'>,
  { session }: Interaction,
): Promise<string> {
  const userId = parseId('user', session?.accountId ?? '')
  const user = userId && (await findUser(db, userId))
  return user ? user.handle : ''
}

function signInPage(
  { clientOf }: InteractionParts,
  interaction: Interaction,
  shown: Readonly<{ problem: string | null; login: string }>,
): string {
  const app = clientOf(passing.clientIdOf(interaction)).name
  const again = interaction.session?.accountId !== undefined
  return pages.signInPage({ ...shown, base: baseOf(interaction), app, again })
}

async function consentPage(parts: InteractionParts, interaction: Interaction): Promise<string> {
  const { name, scopes } = parts.clientOf(passing.clientIdOf(interaction))
  const userId = parseId('user', interaction.session?.accountId ?? '')
  const user = userId && (await findUser(parts.db, userId))
  if (!user) throw new AppError('route_unknown')
  return pages.consentPage({ base: baseOf(interaction), app: name, user: user.handle, scopes })
}

/** Opens a session for the app. A device's has nothing to do with the browser that allowed it. */
async function allow(
  parts: InteractionParts,
  interaction: Interaction,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<string> {
  const { provider, sessions, clientOf, audience } = parts
  const accountId = interaction.session?.accountId
  const userId = parseId('user', accountId ?? '')
  const browser = interaction.session && (await provider.Session.findByUid(interaction.session.uid))
  if (interaction.prompt.name !== 'consent' || !userId || !browser) {
    throw new AppError('route_unknown')
  }
  const clientId = passing.clientIdOf(interaction)
  const { network, device } = passing.whenceOf(request, clientId)
  const ofDevice = interaction.deviceCode !== undefined
  const grant = await openGrant(
    provider,
    { sessions, clientOf, audience },
    {
      userId,
      clientId,
      methods: browser.amr ?? [],
      authenticatedAt: timeOf(browser.loginTs),
      network,
      device: ofDevice ? clientOf(clientId).name : device,
      browserId: ofDevice ? null : browser.uid,
    },
  )
  return await provider.interactionResult(request.raw, reply.raw, {
    consent: { grantId: grant.jti },
  })
}

/** Where the browser goes on: signed in, or to what is still to be shown or changed. */
export async function advance(
  parts: InteractionParts,
  interaction: Interaction,
  { request, reply }: Readonly<{ request: FastifyRequest; reply: FastifyReply }>,
  shown: passing.Pending,
): Promise<string> {
  const { userId, expired, methods } = shown
  if (!expired && methods) return await enter(parts, request, reply, { userId, methods })
  await passing.keepPending(interaction, shown)
  return baseOf(interaction)
}

async function go(reply: FastifyReply, to: string): Promise<FastifyReply> {
  return await reply.redirect(to, 303)
}

/** Signs somebody in, and gives where their browser goes on. */
async function enter(
  { provider, arrive, clock }: InteractionParts,
  request: FastifyRequest,
  reply: FastifyReply,
  { userId, methods }: Readonly<{ userId: UserId; methods: readonly string[] }>,
): Promise<string> {
  const interaction = await passing.interactionOf(provider, request, reply)
  const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
  const shown = { userId, methods, now: clock.now() }
  const to = await passing.signedIn(provider, request, reply, shown)
  await arrive(userId, whence, methods)
  return to
}
