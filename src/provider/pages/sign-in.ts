import { markup } from '../../markup.ts'
import type { Markup } from '../../markup.ts'
import { alert, print, scriptNeeded } from './layout.ts'

/** `base` is the path of the interaction; `problem` what was wrong with the last try. */
type Ask = Readonly<{ base: string; problem: string | null }>

export function signInPage(
  ask: Ask & Readonly<{ app: string; login: string; again: boolean }>,
): string {
  const { base, problem, app, login, again } = ask
  const title = again ? 'Confirm that it is you' : 'Sign in'
  const why = again
    ? markup`<p class="quiet">What you are about to do asks for a fresh sign-in.</p>`
    : markup`<p class="quiet">to go on to ${app}</p>`
  return print({
    title,
    scripts: true,
    body: markup`<section class="card"><h1>${title}</h1>
${why}
${alert(problem)}
<form method="post" action="${base}/password">
<label>E-mail, phone or handle
<input name="login" value="${login}" autocomplete="username" required maxlength="254"
 autocapitalize="none" spellcheck="false"></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required maxlength="1024">
</label>
<button>Sign in</button>
</form>
${passkeyForm(base, markup`<button class="second">Sign in with a passkey</button>`)}
<p class="links">${again ? markup`` : markup`<a href="${base}/register">Create an account</a>`}
<a href="/reset">Forgot your password?</a></p>
</section>`,
  })
}

/** Needs script: without it there is no passkey, and no button that does nothing. */
function passkeyForm(base: string, button: Markup): Markup {
  return markup`<form data-passkey="${base}/passkey" hidden>
${button}<p class="alert" role="alert" hidden></p></form>`
}

export function secondFactorPage(
  ask: Ask & Readonly<{ totp: boolean; passkeys: boolean; recoveryCodes: boolean }>,
): string {
  const { base, problem, passkeys } = ask
  const passkey = markup`<button>Use your passkey</button>`
  return print({
    title: 'Second step',
    scripts: true,
    body: markup`<section class="card"><h1>Second step</h1>
<p class="quiet">Your password is right. Your account asks for one thing more.</p>
${alert(problem)}
${passkeys ? markup`${passkeyForm(base, passkey)}${scriptNeeded}` : markup``}
${ask.totp || ask.recoveryCodes ? codeForm(ask) : markup``}
<p class="links"><a href="/lost-factors">Lost all of these?</a></p>
</section>`,
  })
}

/** A passkey comes first: then the code is the other way. */
function codeForm({ base, totp, passkeys }: Parameters<typeof secondFactorPage>[0]): Markup {
  const code = totp ? 'Code of your authenticator app' : 'Recovery code'
  const hint = totp
    ? markup`<small>Six digits. Without your phone, one of your recovery codes.</small>`
    : markup`<small>One of the ten that you have kept.</small>`
  return markup`<form method="post" action="${base}/code">
<label>${code} ${hint}
<input class="code" name="code" autocomplete="one-time-code" inputmode="text" required
 minlength="6" maxlength="32" spellcheck="false"></label>
${passkeys ? markup`<button class="second">Use a code</button>` : markup`<button>Go on</button>`}
</form>`
}

export function newPasswordPage({ base, problem }: Ask): string {
  return print({
    title: 'Choose a new password',
    body: markup`<section class="card"><h1>Choose a new password</h1>
<p class="quiet">Yours has expired. It was right, and works once more: here.</p>
${alert(problem)}
<form method="post" action="${base}/new-password">
<label>Current password
<input name="before" type="password" autocomplete="current-password" required maxlength="1024">
</label>
${newPasswordField}
<button>Change and sign in</button>
</form></section>`,
  })
}

export const newPasswordField = passwordField('New password')

function passwordField(label: string): Markup {
  return markup`<label>${label}
<small>At least 8 characters, no rules beyond. A few words that nobody would guess do well.</small>
<input name="password" type="password" autocomplete="new-password" required minlength="8"
 maxlength="1024"></label>`
}

export type SignUpFields = Readonly<{
  email: string
  phoneNumber: string
  displayName: string
  handle: string
}>

export function signUpPage(ask: Ask & Readonly<{ typed: SignUpFields }>): string {
  const { base, problem, typed } = ask
  return print({
    title: 'Create your account',
    body: markup`<section class="card"><h1>Create your account</h1>
${alert(problem)}
<form method="post" action="${base}/register">
<label>E-mail address
<input name="email" type="email" value="${typed.email}" autocomplete="email" required
 maxlength="254"></label>
<label>Mobile number
<input name="phoneNumber" type="tel" value="${typed.phoneNumber}" autocomplete="tel" required
 maxlength="32"></label>
<label>Name <small>How others see you. May stay empty.</small>
<input name="displayName" value="${typed.displayName}" autocomplete="name" maxlength="80"></label>
<label>Handle <small>3 to 30 letters, digits, _ . or -. May stay empty: we make one.</small>
<input name="handle" value="${typed.handle}" autocapitalize="none" maxlength="64"
 spellcheck="false"></label>
${passwordField('Password')}
<button>Create account</button>
</form>
<p class="links"><a href="${base}/sign-in">I have an account</a></p>
</section>`,
  })
}

const meaning: Readonly<Record<string, string>> = {
  openid: 'recognize you',
  profile: 'see your name and handle',
  email: 'see your e-mail address',
  phone: 'see your phone number',
  'user:read': 'see your profile',
  'user:write': 'change your profile',
  'accounts:read': 'see your linked bank accounts',
  'accounts:write': 'link and unlink bank accounts',
  'payments:read': 'see your payments',
  'payments:write': 'move your money',
  'staff:read': 'look at customers, if you work for us',
  'staff:write': 'freeze and thaw customers, if you work for us',
}

export function consentPage(
  ask: Readonly<{ base: string; app: string; user: string; scopes: readonly string[] }>,
): string {
  const { base, app, user, scopes } = ask
  const lines = scopes.flatMap((scope) => meaning[scope] ?? [])
  const rows = lines.map((line) => markup`<li>${line}</li>`)
  return print({
    title: `Allow ${app}?`,
    body: markup`<section class="card"><h1>Allow ${app}?</h1>
<p class="quiet">You are signed in as ${user}. It could from now on:</p>
<ul>${rows}</ul>
<p class="quiet">You can end this at any time, on the page of your account.</p>
<form method="post" action="${base}/consent"><button>Allow</button></form>
<form method="post" action="${base}/abort"><button class="second">Do not allow</button></form>
</section>`,
  })
}
