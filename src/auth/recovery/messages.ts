import type { Queryable } from '../../db/query.ts'
import { addJobs } from '../../queue/jobs.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { trustedEmail } from '../../users/code-recipient.ts'
import type { Channel, Contact, User } from '../../users/user.ts'
import { deviceName } from './device-name.ts'

export type Text = Readonly<{ subject: string; body: string }>

/** A text for each way to reach somebody: a letter, and a short message of one line. */
export type Notice = (channel: Channel) => Text

/**
 * The contacts that the user has proven to be theirs, and the e-mail address before a new one, for
 * as long as that is not trusted.
 */
export function provenContacts(user: User, now: Micros): readonly Contact[] {
  const proven = user.emailVerifiedAt === null ? null : user.email
  const emails = new Set([proven, trustedEmail(user, now)].filter((email) => email !== null))
  const contacts: Contact[] = [...emails].map((recipient) => ({ channel: 'email', recipient }))
  if (user.phoneVerifiedAt === null || user.phoneNumber === null) return contacts
  return [...contacts, { channel: 'phone', recipient: user.phoneNumber }]
}

/** Tells the owner, wherever we know that we reach them, if the caller's transaction commits. */
export async function tellOwner(
  tx: Queryable,
  user: User,
  notice: Notice,
  now: Micros,
): Promise<void> {
  const { userId } = user
  await addJobs(
    tx,
    provenContacts(user, now).map((contact) => ({
      name: 'send-message',
      payload: { userId, ...contact, ...notice(contact.channel) },
      when: {},
    })),
  )
}

type Words = Readonly<{
  subject: string
  /** Lines of the letter, without the greeting. */
  letter: readonly string[]
  /** The short message. */
  short: string
}>

function notice({ subject, letter, short }: Words): Notice {
  const body = ['Hello,', '', ...letter].join('\n')
  return (channel) => (channel === 'email' ? { subject, body } : { subject, body: short })
}

const notYou = [
  'If it was you, you need not do anything. If it was not, somebody else is in your account: choose',
  'a new password through "Forgot your password?" on the sign-in page, and tell our support at once.',
]
const notYouShort = 'Not you? Reset your password and tell our support at once.'

/** `at` is when, `network` and `device` are as the session has them. */
export function newSignIn(
  where: Readonly<{ at: Micros; network: string | null; device: string | null }>,
): Notice {
  const device = deviceName(where.device)
  const from = where.network === null ? '' : `, from the address ${where.network}`
  return notice({
    subject: 'New sign-in to your Farthing account',
    letter: [
      'somebody signed in to your Farthing account in a place where nobody had before:',
      `on ${device}${from}, on ${dayAndMinute(where.at)}.`,
      '',
      ...notYou,
    ],
    short: `New sign-in to your Farthing account on ${device}. ${notYouShort}`,
  })
}

export function passwordChanged(): Notice {
  return notice({
    subject: 'Your Farthing password was changed',
    letter: [
      'the password of your Farthing account was changed. All other devices were signed out.',
      '',
      ...notYou,
    ],
    short: `Your Farthing password was changed. ${notYouShort}`,
  })
}

export function passwordReset(): Notice {
  return notice({
    subject: 'Your Farthing password was reset',
    letter: [
      'the password of your Farthing account was reset through the link that we sent by e-mail. All',
      'devices were signed out.',
      '',
      ...notYou,
    ],
    short: `Your Farthing password was reset by e-mail. ${notYouShort}`,
  })
}

/** What a link says: it goes by e-mail only. */
export function resetLink(url: string): Text {
  return notice({
    subject: 'Reset your Farthing password',
    letter: [
      'somebody asked to reset the password of your Farthing account. To choose a new one, open:',
      '',
      url,
      '',
      'The link works once, for 30 minutes. It ends earlier when another one is asked for.',
      '',
      'If you did not ask for it, you need not do anything: without the link, nothing happens. Pass',
      'it on to nobody. Nobody from Farthing will ever ask you for it.',
    ],
    short: '',
  })('email')
}

/** What was added, as in "a passkey". */
export function factorAdded(what: string): Notice {
  return notice({
    subject: 'A sign-in method was added to your Farthing account',
    letter: [`${what} can now be used to sign in to your Farthing account.`, '', ...notYou],
    short: `Your Farthing account has a new sign-in method: ${what}. ${notYouShort}`,
  })
}

/** What was removed, as in "a passkey". */
export function factorRemoved(what: string): Notice {
  return notice({
    subject: 'A sign-in method was removed from your Farthing account',
    letter: [`${what} no longer signs you in to your Farthing account.`, '', ...notYou],
    short: `Your Farthing account lost a sign-in method: ${what}. ${notYouShort}`,
  })
}

export function recoveryCodesMade(): Notice {
  return notice({
    subject: 'New recovery codes for your Farthing account',
    letter: [
      'new recovery codes were made for your Farthing account. Those before no longer work.',
      '',
      ...notYou,
    ],
    short: `Your Farthing account has new recovery codes. ${notYouShort}`,
  })
}

/** A code of who lost their second factors. Another one goes to the other contact. */
export function factorProof(code: string): Notice {
  return notice({
    subject: 'Your Farthing recovery code',
    letter: [
      `your code is ${code}. Somebody who knows your password says that they lost their other ways`,
      'to sign in to your Farthing account. Only if that is you, enter the code there. It works for',
      '30 minutes.',
      '',
      'Nobody from Farthing will ever ask you for it. If it is not you, do not pass the code on, and',
      'choose a new password now: somebody knows yours.',
    ],
    short: `${code} is your Farthing recovery code. Not you? Tell nobody, and change your password.`,
  })
}

export function factorResetAsked(ask: Readonly<{ readyAt: Micros; url: string }>): Notice {
  const ready = dayAndMinute(ask.readyAt)
  return notice({
    subject: 'Your Farthing sign-in methods are about to be removed',
    letter: [
      'somebody who knows your password and reads your messages asked to remove the authenticator',
      'app, passkeys and recovery codes from your Farthing account, because they were lost. It can',
      `happen from ${ready} on.`,
      '',
      'If it is not you, cancel it now, and choose a new password:',
      '',
      ask.url,
      '',
      'Signing in with your authenticator app, a passkey or a recovery code cancels it, too.',
    ],
    short: `Your Farthing sign-in methods will be removed from ${ready} on. Not you? ${ask.url}`,
  })
}

export function factorResetCancelled(): Notice {
  return notice({
    subject: 'Your Farthing sign-in methods stay',
    letter: [
      'the request to remove your authenticator app, passkeys and recovery codes was cancelled. They',
      'work as before.',
      '',
      'If you did not make that request, somebody knows your password: choose a new one.',
    ],
    short: 'Your Farthing sign-in methods stay. Request not yours? Then change your password.',
  })
}

export function factorResetDone(): Notice {
  return notice({
    subject: 'Your Farthing sign-in methods were removed',
    letter: [
      'your authenticator app, passkeys and recovery codes were removed from your Farthing account,',
      'and all devices were signed out. Your password alone signs you in now: please set up a new',
      'authenticator app or a passkey.',
      '',
      ...notYou,
    ],
    short: `Your Farthing sign-in methods were removed. ${notYouShort}`,
  })
}

function dayAndMinute(at: Micros): string {
  const text = printTime(at)
  return `${text.slice(0, 10)} at ${text.slice(11, 16)} UTC`
}
