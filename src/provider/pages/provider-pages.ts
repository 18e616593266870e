import { markup } from '../../markup.ts'
import type { Markup } from '../../markup.ts'
import type { ProviderPages } from '../openid/provider.ts'
import { alert, print } from './layout.ts'

/**
 * Pages in the middle of the provider's own work. It hands in forms of its own, which hold a secret
 * against forged requests; our buttons belong to them by the form's id.
 */
export const providerPages: ProviderPages = {
  signOut: (form, app) =>
    print({
      title: 'Sign out?',
      body: markup`<section class="card"><h1>Sign out?</h1>
<p class="quiet">This browser will be signed out, of all apps of Farthing.</p>
${{ text: form }}
<button form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>
${app === null ? stayLink : leaveButton(app)}
</section>`,
    }),
  signedOut: (app) =>
    app === null
      ? message('Signed out', 'You are signed out of this browser.', toSignIn)
      : message('You have left', `You are signed out of ${app}. Your other apps go on.`, toAccount),
  deviceCode: (form, problem) =>
    print({
      title: 'Connect a device',
      body: markup`<section class="card"><h1>Connect a device</h1>
<p class="quiet">Type the code that your device or command line shows.</p>
${alert(problem)}
${{ text: plainForm(form) }}
<button form="op.deviceInputForm">Go on</button>
</section>`,
    }),
  deviceConfirm: (form, app, code) =>
    print({
      title: 'Is this your device?',
      body: markup`<section class="card"><h1>Is this your device?</h1>
<p>${app} shows this code:</p>
<p class="code">${code}</p>
<p class="quiet">Go on only if you see the very same code on a device in front of you, and if it was
you who began. Whoever sent you a code or a link here wants your money.</p>
${{ text: form }}
<button form="op.deviceConfirmForm">It is mine: go on</button>
<button form="op.deviceConfirmForm" class="second" name="abort" value="yes">Stop</button>
</section>`,
    }),
  deviceDone: (app) => message('Connected', `${app} is signed in. You can close this page.`),
  problem: (title, text) => message(title, text),
}

/** Where a page that says one thing leads. */
export type Onward = Readonly<{ to: string; text: string }>

const toAccount: Onward = { to: '/account', text: 'Account and security' }
export const toSignIn: Onward = { to: '/account', text: 'Sign in' }

/** A page that says one thing. */
export function message(title: string, text: string, onward: Onward | null = null): string {
  const { to, text: words } = onward ?? { to: '', text: '' }
  const link = markup`<p class="links"><a href="${to}">${words}</a></p>`
  return print({
    title,
    body: markup`<section class="card"><h1>${title}</h1><p>${text}</p>
${onward ? link : markup``}</section>`,
  })
}

const stayLink = markup`<p class="links"><a href="/account">Stay signed in</a></p>`

function leaveButton(app: string): Markup {
  return markup`<button form="op.logoutForm" class="second">Leave only ${app}</button>`
}

/** The library's input runs a script of its own that our policy refuses, and has no label. */
function plainForm(form: string): string {
  const plain = form.replaceAll(/\son\w+="[^"]*"/g, '').replace('</input>', '')
  const input = 'aria-label="Code" class="code" autocapitalize="characters" spellcheck="false"'
  return plain.replace('placeholder="Enter code"', input)
}
