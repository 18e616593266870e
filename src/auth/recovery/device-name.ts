/** In this order: most of them also say that they are one of those below. */
const browsers = [
  [/\bEdgA?\//, 'Edge'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:HeadlessChrome|Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
] as const

const systems = [
  [/\biPhone\b/, 'an iPhone'],
  [/\biPad\b/, 'an iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'a Mac'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
] as const

/**
 * A device in words of our own: what a program says of itself is whatever a stranger likes, and
 * must not stand in a letter that comes from us.
 *
 * @param device A User-Agent, or nothing.
 */
export function deviceName(device: string | null): string {
  const browser = find(browsers, device)
  const system = find(systems, device)
  if (browser === null) return system ?? 'an unknown device'
  return system === null ? browser : `${browser} on ${system}`
}

function find(names: readonly (readonly [RegExp, string])[], text: string | null): string | null {
  return names.find(([pattern]) => text !== null && pattern.test(text))?.[1] ?? null
}
