import type { CDPSession, Page, Protocol } from 'puppeteer-core'

type Credential = Protocol.WebAuthn.Credential

/** What keeps passkeys for a page, and shows them as soon as it is asked. */
export type Device = Readonly<{
  credentials: () => Promise<readonly Credential[]>
  /** Whether it knows the finger, the face or the PIN that it asks for. */
  setVerified: (verified: boolean) => Promise<void>
  /** Gives it a passkey of another device, as those that sync do. */
  take: (credential: Credential) => Promise<void>
  /** Takes it away from the page, with its passkeys. */
  remove: () => Promise<void>
}>

/** Chromium's own authenticator, on a page: in the machine itself, or a key on a plug. */
export async function addDevice(
  page: Page,
  transport: 'internal' | 'usb' = 'internal',
): Promise<Device> {
  const browser: CDPSession = await page.createCDPSession()
  await browser.send('WebAuthn.enable')
  const { authenticatorId } = await browser.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport,
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return {
    credentials: async () =>
      (await browser.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    setVerified: async (isUserVerified) =>
      await browser.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    take: async (credential) =>
      await browser.send('WebAuthn.addCredential', { authenticatorId, credential }),
    remove: async () =>
      await browser.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
  }
}
